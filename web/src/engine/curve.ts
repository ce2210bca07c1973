// What a trial gave, by the names of Python's `Curve`, `Probes` and `Landscape`, which say what each
// means. A matrix lies row after row.

import type { Trial } from "./trial";

const HELD = 0.05; // of the budget: over so long a goal must be held on average

export const PROBE_FIELDS = [
  "input_mean", "input_std", "saturated", "dead", "gradient_norm", "gamma_shift", "beta_shift", "gamma_mean",
] as const;

export const MEASURED = ["seconds", "train_loss", "test_loss", "metric", "train_eval_loss", "train_metric"] as const;

// Each field is (steps, layers).
export type Probes = { step: number[]; layers: number } & { [field in (typeof PROBE_FIELDS)[number]]: Float32Array };

export interface Landscape {
  step: number[];
  eta: Float64Array;
  loss_here: Float64Array;
  loss: Float64Array; // (steps, etas)
  gradient_norm: Float64Array;
  gradient_change: Float64Array; // (steps, etas)
}

export type Ended = "finished" | "diverged" | "stopped" | "running";

// Plain values only: so it passes from a worker to the page.
export type Curve = { [name in (typeof MEASURED)[number]]: Float64Array } & {
  trial: Trial;
  step: number[];
  ended: Ended;
  ended_at: number;
  probes?: Probes;
  landscape?: Landscape;
};

function roundedParts<T extends object>(parts: T): T {
  const found = Object.entries(parts).map(([name, value]) => [name, value instanceof Float64Array ? value.map(Math.fround) : value]);
  return Object.fromEntries(found) as T;
}

// The same curve with everything measured rounded to float32, as a store keeps it.
export function rounded(curve: Curve): Curve {
  const found = roundedParts(curve);
  if (found.landscape) found.landscape = roundedParts(found.landscape);
  return found;
}

// Steps until the metric reached `target` and held it, as Python's `Curve.steps_to`; infinity if it
// did not.
export function stepsTo(curve: Curve, target: number, keep = target): number {
  const { step, metric } = curve;
  if (curve.ended === "diverged" || step.length === 0) return Infinity;
  const sums = [0];
  metric.forEach((value) => sums.push(sums.at(-1)! + value));
  const means: number[] = []; // over the stretches that are over
  for (let i = 0, stop = 0; i < step.length; i++) {
    const until = step[i]! + HELD * curve.trial.steps;
    while (stop < step.length && step[stop]! <= until) stop++;
    const end = Math.max(stop, i + 3);
    if (until > step.at(-1)! || end > step.length) break;
    means.push((sums[end]! - sums[i]!) / (end - i));
  }
  const since = means.findLastIndex((mean) => !(mean >= keep)) + 1;
  const place = means.findIndex((mean, i) => i >= since && metric[i]! >= target && mean >= target);
  if (place < 0) return Infinity;
  const [before, after] = [metric[place - 1], metric[place]!];
  if (before === undefined || !(before < target)) return step[place]!;
  return step[place - 1]! + ((target - before) / (after - before)) * (step[place]! - step[place - 1]!);
}

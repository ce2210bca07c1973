// What is read off a curve, by name, as Python's `protocol.measures`: those that the lesson needs.

import { type Curve, stepsTo } from "../engine/curve";
import { CAP, FALL } from "../made/protocol";
import { type Floats, least, mean, median, most, sum } from "./numbers";

export interface About {
  floor: number; // chance
  goal?: number;
  loss?: number; // training loss to be reached
}

const diverged = (curve: Curve) => curve.ended === "diverged";

export function level(curve: Curve, about: About): number {
  const last = curve.metric.slice(-Math.max(1, Math.floor(curve.metric.length / 10)));
  if (diverged(curve) || !last.every(Number.isFinite)) return about.floor;
  return Math.max(mean(last), about.floor);
}

function average(curve: Curve, about: About): number {
  if (diverged(curve) || curve.metric.length < 2) return about.floor;
  const metric = curve.metric.map((value) => Math.max(Number.isFinite(value) ? value : about.floor, about.floor));
  const steps = curve.step.slice(1).map((step, i) => step - curve.step[i]!);
  return sum(steps.map((step, i) => ((metric[i + 1]! + metric[i]!) / 2) * step)) / sum(steps);
}

export function toGoal(curve: Curve, about: About): number {
  const goal = about.goal ?? NaN;
  return stepsTo(curve, goal, goal - FALL * (goal - about.floor));
}

function smooth(values: Floats): number[] {
  const n = values.length;
  return Array.from(values, (value, i) => (values[Math.max(i - 1, 0)]! + value + values[Math.min(i + 1, n - 1)]!) / 3);
}

// A value where the training loss first fell so far; NaN if it never did.
export function atLoss(curve: Curve, loss: number, values: Floats): number {
  if (diverged(curve)) return NaN;
  const [seen, read] = [smooth(curve.train_eval_loss), smooth(values)];
  const at = seen.findIndex((value) => value <= loss);
  if (at < 0) return NaN;
  const [before, now] = [seen[at - 1] ?? NaN, seen[at]!];
  if (!Number.isFinite(before)) return read[at]!;
  return read[at - 1]! + ((before - loss) / (before - now)) * (read[at]! - read[at - 1]!);
}

// ---- of the layers, from probes ----

type Field = "input_mean" | "input_std" | "gradient_norm" | "gamma_shift" | "beta_shift";

// A row of layers for each probe, from the first of them up to `end`.
function probed(curve: Curve, field: Field, first: number, end: number): number[][] {
  const found = curve.probes;
  if (!found) throw new Error("a run without probes was asked for them");
  return found.step.map((_, i) => Array.from(found[field].subarray(i * found.layers + first, i * found.layers + end)));
}

// Gradient norms of the linear layers between two hidden layers.
export const between = (curve: Curve) => probed(curve, "gradient_norm", 1, (curve.probes?.layers ?? 2) - 1);

export const gradientRatios = (curve: Curve) => between(curve).map((norms) => most(norms) / least(norms));

function gradientRange(curve: Curve): number {
  const ratios = gradientRatios(curve).slice(1);
  if (diverged(curve) || !ratios.length) return CAP;
  return median(ratios.map((ratio) => Math.min(Math.max(Number.isNaN(ratio) ? CAP : Math.log10(ratio), 0), CAP)));
}

// How far the mean of what each layer behind the first receives is from where it started, in
// standard deviations at the start, in numbers of 32 bits as it was measured.
export function movedFromStart(curve: Curve): number[][] | null {
  if (!curve.probes || diverged(curve) || curve.probes.step.length < 2) return null;
  const [means, stds] = (["input_mean", "input_std"] as const).map((field) => probed(curve, field, 1, curve.probes!.layers)) as [number[][], number[][]];
  const round = Math.fround;
  return means.map((row) => row.map((value, l) => round(Math.abs(round(value - means[0]![l]!)) / Math.max(stds[0]![l]!, round(1e-12)))));
}

function furthest(curve: Curve): number {
  const found = movedFromStart(curve);
  return found ? mean(found[0]!.map((_, l) => most(found.map((row) => row[l]!)))) : NaN;
}

// How far gamma is from 1, or beta from 0, at each probe, mean over the normalized layers.
export function affinePath(curve: Curve, of: "gamma_shift" | "beta_shift"): number[] {
  return probed(curve, of, 0, curve.trial.network.hidden.length).map(mean);
}

const shifted = (of: "gamma_shift" | "beta_shift") => (curve: Curve) => (diverged(curve) ? NaN : (affinePath(curve, of).at(-1) ?? NaN));

export const MEASURES: { [name: string]: (curve: Curve, about: About) => number } = {
  level,
  average,
  furthest,
  last: (curve, about) => (Number.isFinite(curve.metric.at(-1)) && !diverged(curve) ? curve.metric.at(-1)! : about.floor),
  finished: (curve) => (diverged(curve) ? NaN : curve.metric.at(-1)!),
  "steps-to": toGoal,
  "at-loss": (curve, about) => atLoss(curve, about.loss ?? NaN, curve.metric),
  "gap-at-loss": (curve, about) => atLoss(curve, about.loss ?? NaN, curve.train_metric.map((value, i) => value - curve.metric[i]!)),
  "first-gradient": (curve) => Math.log10(between(curve)[0]![0]!),
  "gradient-range": gradientRange,
  "gamma-moved": shifted("gamma_shift"),
  "beta-moved": shifted("beta_shift"),
};

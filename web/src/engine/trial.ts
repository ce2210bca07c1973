// The description of one run, by the names and values of Python's `Trial`, which says what each means.

import type { Network } from "./network";

export interface Trial {
  network: Network;
  data: string;
  optimizer: "sgd" | "momentum" | "adam" | "adamw";
  learning_rate: number;
  batch_size: number;
  steps: number;
  seed: number;
  schedule: "constant" | "cosine";
  warmup: number;
  momentum: number;
  weight_decay: number;
  evaluate_every: number;
  evaluate_train: boolean;
  statistics: "running" | "population" | "batch";
  evaluation_batch: number;
  probe_every: number;
  landscape_every: number;
  dtype: "float32" | "float64";
}

// A trial of these settings, the others as they are where nobody asks for anything else.
export function trial(settings: Pick<Trial, "network"> & Partial<Trial>): Trial {
  return {
    data: "digits", optimizer: "sgd", learning_rate: 0.1, batch_size: 32, steps: 1000, seed: 0, schedule: "constant", warmup: 0,
    momentum: 0.9, weight_decay: 0, evaluate_every: 0, evaluate_train: false, statistics: "running", evaluation_batch: 0,
    probe_every: 0, landscape_every: 0, dtype: "float32", ...settings,
  };
}

// What names a trial: all its settings, the same text whatever order they were given in.
export function keyOf(one: Trial): string {
  return JSON.stringify(one, (_, value) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : (value as unknown),
  );
}

function every(distance: number, from: number, to: number): number[] {
  return distance > 0 && from < to ? Array.from({ length: Math.ceil((to - from) / distance) }, (_, i) => from + i * distance) : [];
}

// Steps after which the network is evaluated: 0, every `evaluate_every`, and the last.
export function evaluationSteps(one: Trial): number[] {
  return [0, ...every(one.evaluate_every, one.evaluate_every, one.steps), one.steps];
}

// Steps (counted from 0) on whose minibatch the layers are probed.
export function probeSteps(one: Trial): number[] {
  return every(one.probe_every, 0, one.steps);
}

// Steps (counted from 0) around which the loss is surveyed.
export function surveySteps(one: Trial): number[] {
  return every(one.landscape_every, 0, one.steps);
}

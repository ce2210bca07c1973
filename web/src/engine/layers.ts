// What goes into each decision of a network, recomputed from its weights as Python's `lesson/layers.py`
// does: for histograms that move while a network trains.

import { LEAKY_SLOPE } from "../made/layout";
import type { LayerShown } from "../made/messages";
import { BINS, REACH } from "../made/protocol";
import type { Dataset } from "./dataset";
import { type Reals, initialParameters } from "./initialize";
import type { Kernels } from "./kernels";
import { type LinearSlot, type NormSlot, padded } from "./operations";
import type { TrialState } from "./state";
import { type Tape, compileTape } from "./tape";
import type { Trial } from "./trial";

// A trial whose layers are to be shown, every so many steps, on the first rows of the training set.
export interface Watched {
  every: number;
  rows: number;
}

export interface Shown {
  step: number;
  layers: LayerShown[];
}

// Rows × columns, row after row.
class Table {
  constructor(
    readonly values: Float64Array,
    readonly columns: number,
  ) {}

  get rows(): number {
    return this.values.length / this.columns;
  }

  map(change: (value: number, column: number) => number): Table {
    return new Table(this.values.map((value, i) => change(value, i % this.columns)), this.columns);
  }
}

// By its series, whose terms all have one sign.
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [sum, term] = [0, x];
  for (let n = 1; sum + term !== sum; n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const ACTIVATE = {
  relu: (z: number) => Math.max(z, 0),
  leaky_relu: (z: number) => (z > 0 ? z : LEAKY_SLOPE * z),
  tanh: Math.tanh,
  sigmoid: (z: number) => 0.5 * (1 + Math.tanh(z / 2)),
  gelu: (z: number) => 0.5 * z * (1 + erf(z / Math.SQRT2)),
  identity: (z: number) => z,
};

function linear(x: Table, { weight, bias, inputs, outputs }: LinearSlot, theta: Reals): Table {
  const stride = padded(outputs);
  const out = new Table(new Float64Array(x.rows * outputs), outputs);
  for (let r = 0; r < x.rows; r++) {
    for (let i = 0; i < inputs; i++) {
      const value = x.values[r * inputs + i]!;
      for (let o = 0; o < outputs; o++) out.values[r * outputs + o]! += value * theta[weight + i * stride + o]!;
    }
  }
  return bias < 0 ? out : out.map((value, o) => value + theta[bias + o]!);
}

// Mean and variance of some of a table's values: every so many, from one on.
function moments(values: Float64Array, from: number, every: number, count: number): [mean: number, variance: number] {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < count; i++) sum += values[from + i * every]!;
  for (let i = 0; i < count; i++) squares += (values[from + i * every]! - sum / count) ** 2;
  return [sum / count, squares / count];
}

function normalized(tape: Tape, x: Table, slot: NormSlot, theta: Reals): Table {
  const { norm, groups, eps } = tape.network;
  const { columns, rows, values } = x;
  const out = new Table(values.slice(), columns);
  const change = (from: number, every: number, count: number): void => {
    const [mean, variance] = moments(values, from, every, count);
    const [shift, square] = norm === "rms" ? [0, variance + mean * mean] : [mean, variance];
    for (let i = from; i < from + every * count; i += every) out.values[i] = (values[i]! - shift) / Math.sqrt(square + eps);
  };
  const size = norm === "group" ? columns / groups : columns;
  if (norm === "batch") for (let c = 0; c < columns; c++) change(c, columns, rows);
  else for (let at = 0; at < values.length; at += size) change(at, 1, size);
  return out.map((value, c) => value * theta[slot.gamma + c]! + theta[slot.beta + c]!);
}

// What every activation receives. Only plain stacks: no residual connections and no recurrence;
// dropout is off.
function decided(tape: Tape, theta: Reals, x: Float64Array): Table[] {
  const { norm, placement, activation, inputs } = tape.network;
  const norms = tape.norms[Symbol.iterator]();
  const where = norm === "none" ? "nowhere" : placement;
  const normalize = (at: Table) => normalized(tape, at, norms.next().value!, theta);
  let at = new Table(x, inputs);
  if (where === "input") at = normalize(at);
  return tape.linears.slice(0, -1).map((slot) => {
    const sum = linear(at, slot, theta);
    const z = where === "before" ? normalize(sum) : sum;
    at = z.map(ACTIVATE[activation]);
    if (where === "after") at = normalize(at);
    return z;
  });
}

// Counts over equal bins from low to high, and of what lies beyond.
function histogram(values: Float64Array, low: number, high: number): LayerShown {
  const finite = values.filter(Number.isFinite);
  const counts = Array.from({ length: BINS }, () => 0);
  const edge = (bin: number) => (bin === BINS ? high : low + bin * ((high - low) / BINS));
  const [below, above] = [finite.filter((value) => value < low).length, finite.filter((value) => value > high).length];
  for (const value of finite) {
    if (value < low || value > high) continue;
    let bin = Math.min(Math.floor(((value - low) / (high - low)) * BINS), BINS - 1);
    if (value < edge(bin)) bin--;
    else if (bin < BINS - 1 && value >= edge(bin + 1)) bin++;
    counts[bin]!++;
  }
  const [mean, variance] = moments(finite, 0, 1, finite.length);
  return { low, high, counts, below, above, mean, std: Math.sqrt(variance) };
}

interface Watcher {
  next(step: number): number; // the step after this one at which there is something to show
  look(state: TrialState): Shown | null;
}

// Looks at a trial's layers. To be made before the trial's state: it draws in the same memory.
export function watcher(kernels: Kernels, data: Dataset, { network, seed }: Trial, { every, rows }: Watched): Watcher {
  const sample = Float64Array.from(data.x_train.subarray(0, Math.min(rows, data.n_train) * data.features.length));
  const tape = compileTape(network, 1);
  const theta = new Float32Array(tape.nParameters);
  initialParameters(kernels, tape, seed, theta);
  const limits = decided(tape, theta, sample).map(({ values }) => {
    const [mean, variance] = moments(values, 0, 1, values.length);
    const reach = REACH * Math.sqrt(variance) + 1e-6;
    return [mean - reach, mean + reach] as const;
  });
  let due = 0;
  return {
    next: (step) => step - (step % every) + every,
    look: (state) => {
      if (state.step < due && !state.done) return null;
      due = state.step + every;
      const piles = decided(state.tape, state.arrays["learner.theta"], sample);
      return { step: state.step, layers: piles.map(({ values }, i) => histogram(values, ...limits[i]!)) };
    },
  };
}

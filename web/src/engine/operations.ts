// What a tape is made of: where parameters lie, and the builder that emits operations. As Python's
// `engine/operations.py`, line by line; tests hold every tape to Python's.

import { ACTIVATIONS, DRIFT_KEYS, Field, Op, PAD } from "../made/layout";
import type { Network } from "./network";

export const LINEAR = ACTIVATIONS.identity[0];
const GELU = ACTIVATIONS.gelu[0];
const EMPTY = Object.values(Field).map(() => 0);

// Columns and what they are padded to.
export function padded(n: number): number {
  return Math.ceil(n / PAD) * PAD;
}

// Where a linear layer's parameters lie; `bias` is −1 where there is none.
export interface LinearSlot {
  weight: number;
  bias: number;
  inputs: number;
  outputs: number;
}

export function sizeOf(slot: LinearSlot): number {
  return slot.inputs * padded(slot.outputs);
}

// Where a normalizer's parameters and running statistics lie (−1: none); over time, `steps` pairs of
// statistics, and before them a block whose first element says how many have been seen.
export interface NormSlot {
  gamma: number;
  beta: number;
  running: number;
  columns: number;
  steps: number;
}

// How a probe finds a layer's matrices at each time step: the distances between them.
interface OverTime {
  steps: number;
  countAt: number;
  strideIn: number;
  inStep: number;
  outStep: number;
}

type Extra = { [name in "stride_in" | "a" | "b" | "c" | "e" | "code"]?: number } & { need_dx?: boolean };

// Where the activation's input, the activation and the layer's output lie.
export type Ends = [z: number, out: number, at: number];

// Hands out offsets and collects operations while a network is compiled.
export class Builder {
  ops: number[][] = [];
  slopes: number[] = [];
  probes: number[][] = [];
  probeSlopes: number[] = [];
  norms: NormSlot[] = [];
  live = new Map<number, number>();
  shared = -1; // where all normalized activations go in turn, or −1 to keep each
  workspace = 0;
  running = 0;
  parameters = 0;
  frozen = 0; // where the next parameter that does not learn goes
  countAt = -1; // where the number of rows lies that operations emitted now work on

  constructor(
    readonly net: Network,
    readonly rows: number,
  ) {}

  take(size: number): number {
    const at = this.workspace;
    this.workspace += padded(size);
    return at;
  }

  matrix(columns: number): number {
    return this.take(this.rows * padded(columns));
  }

  private parameter(size: number, learns: boolean): number {
    const kind = learns ? "parameters" : "frozen";
    const at = this[kind];
    this[kind] += size;
    return at;
  }

  emit(op: number, src: number, dst: number, columns: number, extra: Extra = {}, slope = 1): void {
    const row: number[] = EMPTY.slice();
    const set = { OP: op, SRC: src, DST: dst, STRIDE_IN: padded(columns), STRIDE: padded(columns), COLUMNS: columns, COUNT: this.countAt };
    for (const [name, value] of Object.entries(set)) row[Field[name as keyof typeof Field]] = value;
    for (const [name, value] of Object.entries(extra)) row[Field[name.toUpperCase() as keyof typeof Field]] = Number(value);
    this.ops.push(row);
    this.slopes.push(slope);
  }

  product(src: number, slot: LinearSlot, need_dx: boolean): number {
    const dst = this.matrix(slot.outputs);
    const e = src === this.shared && src >= 0 ? this.ops.length : 0; // 1 + the normalizer before
    this.emit(Op.PRODUCT, src, dst, slot.outputs, { stride_in: padded(slot.inputs), a: slot.weight, b: slot.inputs, e, need_dx });
    return dst;
  }

  activate(src: number, columns: number, bias: number, code: number, slope: number): number {
    const dst = code === GELU ? this.matrix(columns) : src;
    this.emit(Op.ACTIVATE, src, dst, columns, { a: bias, code }, slope);
    return dst;
  }

  // Gamma, beta and running statistics of the next normalizer.
  knobs(columns: number, steps = 0): NormSlot {
    const { norm, affine } = this.net;
    const stride = padded(columns);
    const gamma = this.parameter(stride, affine === "both" || affine === "gamma");
    const beta = this.parameter(stride, affine === "both" || affine === "beta");
    let running = -1;
    if (norm === "batch") {
      running = this.running + (steps ? PAD : 0);
      this.running = running + 2 * stride * Math.max(steps, 1);
    }
    const slot = { gamma, beta, running, columns, steps };
    this.norms.push(slot);
    return slot;
  }

  // One normalizer; `step` is 1 + the time step of one that runs over time.
  normalize(src: number, slot: NormSlot, slope: number, dst = -1, step = 0): number {
    const { norm, groups } = this.net;
    const { columns, gamma: a, beta: b } = slot;
    const stride = padded(columns);
    if (dst < 0) dst = this.matrix(columns);
    if (norm === "batch") {
      const c = slot.running + 2 * stride * Math.max(step - 1, 0);
      const e = this.take(4 * stride); // mean, 1/spread, variance, gamma/spread
      this.emit(Op.BATCH, src, dst, columns, { a, b, c, e, code: step }, slope);
      return dst;
    }
    const count = norm === "group" ? groups : 1;
    const e = this.take(2 * this.rows * count); // mean, 1/spread
    if (count > 1) {
      this.emit(Op.GROUP, src, dst, columns, { a, b, e, code: count }, slope);
    } else {
      this.emit(Op.ROW, src, dst, columns, { a, b, c: this.onesFor(columns), e, code: Number(norm !== "rms") }, slope);
    }
    return dst;
  }

  // Where a row of ones over so many columns, and zeros over their padding, lies.
  onesFor(columns: number): number {
    const known = this.live.get(columns);
    if (known !== undefined) return known;
    const at = this.take(padded(columns));
    this.live.set(columns, at);
    return at;
  }

  probe(src: number, out: number, z: number, slot: LinearSlot, last = false, time?: OverTime): void {
    const [code, slope] = last ? [LINEAR, 1] : ACTIVATIONS[this.net.activation];
    const { inputs, outputs, weight } = slot;
    const { steps, countAt, strideIn, inStep, outStep } = time ?? { steps: 1, countAt: -1, strideIn: padded(inputs), inStep: 0, outStep: 0 };
    const where = [src, strideIn, inputs, out, padded(outputs), outputs, z, code];
    this.probes.push([...where, weight, sizeOf(slot), steps, countAt, inStep, outStep, 1, 1]);
    this.probeSlopes.push(slope);
  }

  // Bias, normalizer and activation of a layer whose product lies at z.
  finish(z: number, linear: LinearSlot, norm: NormSlot | null, dst = -1, step = 0): Ends {
    const { placement, activation, drift } = this.net;
    const columns = linear.outputs;
    const [code, slope] = ACTIVATIONS[activation];
    if (norm && placement === "after") {
      const out = this.activate(z, columns, linear.bias, code, slope);
      return [z, out, this.drift(this.normalize(out, norm, 1, -1, step), columns)];
    }
    if (!norm && drift === 0) {
      const out = this.activate(z, columns, linear.bias, code, slope);
      return [z, out, out];
    }
    if (linear.bias >= 0) this.activate(z, columns, linear.bias, LINEAR, 1);
    if (norm) {
      if (code === LINEAR && drift === 0) {
        const out = this.normalize(z, norm, slope, dst, step);
        return [z, out, out];
      }
      z = this.normalize(z, norm, 1, -1, step);
    }
    z = this.drift(z, columns);
    const out = this.activate(z, columns, -1, code, slope);
    return [z, out, out];
  }

  // Noise on what lies there, if the network has any, in place.
  drift(at: number, columns: number): number {
    if (this.net.drift > 0) {
      const layer = this.ops.filter((row) => row[Field.OP] === Op.DRIFT).length;
      const a = this.matrix(columns);
      const b = this.take(2 * padded(columns));
      this.emit(Op.DRIFT, at, at, columns, { a, b, code: DRIFT_KEYS + layer }, this.net.drift);
    }
    return at;
  }
}

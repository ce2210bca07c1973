// A layer that runs over time, unrolled on the tape: `engine/recurrent.py` says how.

import { Op, SHARING } from "../made/layout";
import { type Builder, type Ends, type LinearSlot, type NormSlot, padded, sizeOf } from "./operations";

type Block = [at: number, size: number];

// What serves all steps; U last.
function shared(w: LinearSlot, u: LinearSlot, norm: NormSlot | null): Block[] {
  const blocks: Block[] = [[w.weight, sizeOf(w)]];
  if (w.bias >= 0) blocks.push([w.bias, padded(w.outputs)]);
  if (norm) blocks.push([norm.gamma, padded(norm.columns)], [norm.beta, padded(norm.columns)]);
  return [...blocks, [u.weight, sizeOf(u)]];
}

// The operations that add up the gradients of one step, or, after the last, begin.
function share(build: Builder, blocks: Block[], sums: number, step: number): void {
  let code: number = step ? SHARING.ADD : SHARING.FINISH;
  if (step === build.net.time_steps) code = SHARING.CLEAR;
  for (const [place, [at, size]] of blocks.entries()) {
    if (step === 0 && place === blocks.length - 1) code = SHARING.ONLY_SUM; // no state before it
    build.emit(Op.SHARE, 0, 0, 0, { a: at, b: size, c: sums, code });
    sums += size;
  }
}

// Emit the layer of these two linear layers, of the input and of the state; returns where its
// output lies. At `src` lie all time steps of an example in a row, and its length behind them.
export function recurrentLayer(build: Builder, w: LinearSlot, u: LinearSlot, src: number): number {
  const { net } = build;
  const [steps, features, columns] = [net.time_steps, net.inputs, w.outputs];
  const wide = padded(steps * features + 1);
  const norm = net.norm === "none" ? null : build.knobs(columns, steps);
  const x = build.matrix(steps * features + 1);
  const counts = build.take(2 * (steps + 1) + build.rows);
  const places = counts + 2 * (steps + 1);
  const blocks = shared(w, u, norm);
  const sums = build.take(blocks.reduce((sum, [, size]) => sum + size, 0));
  const out = build.matrix(columns);
  const held = build.matrix(columns);
  const fromState = build.matrix(columns);
  build.onesFor(columns); // now, so that every step takes the same room

  build.emit(Op.ORDER, src, x, steps * features + 1, { a: counts, b: steps, c: features });
  const found: Ends[] = [];
  for (let t = 0; t < steps; t++) {
    build.countAt = counts + t;
    share(build, blocks, sums, t);
    const before = found.at(-1);
    // U first: its gradient by the state replaces the one that W needs.
    if (before) build.emit(Op.PRODUCT, before[2], fromState, columns, { a: u.weight, b: columns, need_dx: true });
    const z = build.matrix(columns);
    build.emit(Op.PRODUCT, x + t * features, z, columns, { stride_in: wide, a: w.weight, b: features });
    if (before) build.emit(Op.SUM, z, z, columns, { a: fromState });
    const ends = build.finish(z, w, norm, -1, t + 1);
    found.push(ends);
    build.emit(Op.ENDING, ends[2], out, columns, { a: places, b: held });
  }
  build.countAt = -1;
  build.emit(Op.HOLD, out, out, columns, { a: held });
  share(build, blocks, sums, steps);

  const first = found[0]!;
  const later = found[Math.min(1, steps - 1)]!;
  const each = later[0] - first[0];
  build.probe(x, first[1], first[0], w, false, { steps, countAt: counts, strideIn: wide, inStep: features, outStep: each });
  build.probe(first[2], later[1], later[0], u, false, { steps: steps - 1, countAt: counts + 1, strideIn: padded(columns), inStep: each, outStep: each });
  return out;
}

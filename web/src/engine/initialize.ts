// Initial weights, the very ones that Python draws: `engine/initialize.py` has the formulas.

import { KEY, LOGIT_PADDING, PLACE, STATE } from "../made/layout";
import type { Kernels } from "./kernels";
import { padded } from "./operations";
import type { Tape } from "./tape";

export type Reals = Float32Array | Float64Array;

// Drawing took half of what a deep network's start costs, and an experiment begins with the same
// weights again and again: arms are paired, and learning rates share their seeds.
const drawn = new Map<string, Float64Array>();
const KEPT = 1_000_000; // numbers
let kept = 0;

// Draws of a layer's own stream: low + scale · one from 0 to 1, or normal of mean low and deviation scale.
function draws(kernels: Kernels, key: [seed: number, layer: number], normal: boolean, low: number, scale: number, count: number): Float64Array {
  const name = [...key, normal, low, scale, count].join();
  const known = drawn.get(name);
  if (known) return known;
  const state = new BigUint64Array(STATE);
  state.set(key.map(BigInt), KEY);
  state[PLACE] = 4n;
  const loaded = kernels.load("draw", { state, scale: Float64Array.of(low, scale), out: new Float64Array(count) });
  loaded.call({ normal: Number(normal) });
  const out = loaded.arrays.out.slice();
  drawn.set(name, out);
  kept += count;
  for (const [oldest, { length }] of drawn) {
    if (kept <= KEPT) break;
    drawn.delete(oldest);
    kept -= length;
  }
  return out;
}

// One linear layer's weights (outputs × inputs), and then, for init "torch", its biases.
function drawLayer(kernels: Kernels, tape: Tape, layer: number, seed: number): Float64Array {
  const { init, sigma } = tape.network;
  const { inputs, outputs } = tape.linears[layer]!;
  const size = inputs * outputs;
  const draw = (normal: boolean, low: number, scale: number, count: number) => draws(kernels, [seed, layer], normal, low, scale, count);
  if (init === "he") return draw(true, 0, Math.sqrt(2 / inputs), size);
  if (init === "gaussian") return draw(true, 0, sigma, size);
  if (init === "torch") return draw(false, -1 / Math.sqrt(inputs), 2 * (1 / Math.sqrt(inputs)), size + outputs);
  const bound = Math.sqrt(6 / (inputs + outputs));
  return draw(false, -bound, 2 * bound, size);
}

// Fill the flat parameter vector: linear layers drawn from the seed, gamma 1, beta 0. The kernels
// are those for float32, whatever the vector's type: draws are float64.
export function initialParameters(kernels: Kernels, tape: Tape, seed: number, theta: Reals): void {
  for (const [layer, { weight, bias, inputs, outputs }] of tape.linears.entries()) {
    const values = drawLayer(kernels, tape, layer, seed);
    const stride = padded(outputs);
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) theta[weight + i * stride + o] = values[o * inputs + i]!;
    }
    if (bias >= 0) theta.set(values.subarray(inputs * outputs), bias);
  }
  for (const { gamma, columns } of tape.norms) theta.fill(1, gamma, gamma + columns);
}

// Make the padding of a classifier's output weigh nothing in its softmax.
export function padLogits(tape: Tape, theta: Reals): void {
  const { bias, outputs } = tape.linears.at(-1)!;
  theta.fill(LOGIT_PADDING, bias + outputs, bias + padded(outputs));
}

// Fill running statistics: mean 0, variance 1.
export function initialRunning(tape: Tape, running: Reals): void {
  for (const { running: at, columns, steps } of tape.norms) {
    const stride = padded(columns);
    for (let step = 0; at >= 0 && step < Math.max(steps, 1); step++) {
      const variance = at + (2 * step + 1) * stride;
      running.fill(1, variance, variance + columns);
    }
  }
}

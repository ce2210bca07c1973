// A network compiled to a tape: op codes and offsets into one parameter vector and one workspace, as
// Python's `engine/tape.py` makes it.

import { ACTIVATIONS, KEPT_BYTES, Op } from "../made/layout";
import { type Network, hasBias, normalizedWidths, skips } from "./network";
import { Builder, LINEAR, type LinearSlot, type NormSlot, padded, sizeOf } from "./operations";
import { recurrentLayer } from "./recurrent";

export interface Tape {
  network: Network;
  ops: number[][];
  slopes: number[];
  probes: number[][];
  probeSlopes: number[];
  linears: LinearSlot[];
  norms: NormSlot[];
  nParameters: number;
  nLearned: number;
  decayEnd: number;
  nRunning: number;
  nWorkspace: number;
  inputAt: number;
  outputAt: number;
  dAt: [number, number];
  stashAt: number;
  transposeAt: number;
  ones: [offset: number, columns: number][]; // each live row to fill with ones
}

// Slots of all linear layers, where the weights end and where the biases end.
function linearSlots(net: Network): [LinearSlot[], number, number] {
  const widths = [net.inputs, ...net.hidden, net.outputs];
  const sizes = widths.slice(1).map((outputs, i) => ({ inputs: widths[i]!, outputs, biased: hasBias(net, i) }));
  if (net.time_steps) sizes.splice(1, 0, { inputs: net.hidden[0]!, outputs: net.hidden[0]!, biased: false });
  let at = 0;
  const slots = sizes.map(({ inputs, outputs }) => {
    const slot = { weight: at, bias: -1, inputs, outputs };
    at += sizeOf(slot);
    return slot;
  });
  const decayEnd = at;
  for (const [i, slot] of slots.entries()) {
    if (!sizes[i]!.biased) continue;
    slot.bias = at;
    at += padded(slot.outputs);
  }
  return [slots, decayEnd, at];
}

function hiddenLayer(build: Builder, slot: LinearSlot, src: number, needDx: boolean): number {
  const { norm, placement } = build.net;
  const product = build.product(src, slot, needDx);
  const beside = norm !== "none" && placement !== "input";
  const knobs = beside ? build.knobs(slot.outputs) : null;
  const [z, out, at] = build.finish(product, slot, knobs, build.shared);
  build.probe(src, out, z, slot);
  return at;
}

function drop(build: Builder, at: number, columns: number, layer: number): number {
  if (build.net.dropout === 0) return at;
  const mask = build.matrix(columns);
  const dst = build.matrix(columns);
  build.emit(Op.DROPOUT, at, dst, columns, { a: mask, code: layer }, build.net.dropout);
  return dst;
}

// All hidden layers, with dropout and residual connections; returns where the last left off.
function hiddenLayers(build: Builder, linears: LinearSlot[], at: number, needDx: boolean): number {
  const blocks = skips(build.net);
  const starts = new Set(blocks.values());
  const outputs: number[] = [];
  const overTime = build.net.time_steps > 0;
  for (const [layer, slot] of linears.slice(Number(overTime)).entries()) {
    if (starts.has(layer - 1)) build.emit(Op.FORK, at, at, slot.inputs);
    at = overTime && layer === 0 ? recurrentLayer(build, linears[0]!, linears[1]!, at) : hiddenLayer(build, slot, at, needDx);
    at = drop(build, at, slot.outputs, layer);
    const start = blocks.get(layer);
    if (start !== undefined) {
      const dst = build.matrix(slot.outputs);
      build.emit(Op.ADD, at, dst, slot.outputs, { a: outputs[start]! });
      at = dst;
    }
    outputs.push(at);
    needDx = true;
  }
  return at;
}

// Say in each layer's probe where its normalizer's knobs lie. A recurrent layer has one normalizer
// and two linear layers.
function probeNorms(build: Builder): void {
  const norms = build.net.time_steps ? [...build.norms.slice(0, 1), ...build.norms] : build.norms;
  for (const [layer, row] of build.probes.entries()) {
    const { gamma, beta, columns } = norms[layer] ?? { gamma: -1, beta: -1, columns: 0 };
    row.push(gamma, beta, columns);
  }
}

// Whether normalized activations can share a buffer: only the next layer reads them.
function mayRedo(net: Network, rows: number): boolean {
  const simple = net.norm === "batch" && net.placement === "before" && ACTIVATIONS[net.activation][0] === LINEAR;
  const alone = !(net.residual || net.dropout || net.drift || net.time_steps);
  return simple && alone && 8 * rows * net.hidden.reduce((sum, width) => sum + padded(width), 0) > KEPT_BYTES;
}

// The tape of a network for up to `rows` examples at a time; `keep` keeps every activation, for
// probes to read.
export function compileTape(net: Network, rows: number, keep = false): Tape {
  if ((net as { conv?: unknown[] }).conv?.length) throw new Error("a page trains no convolutions; evenbatch sweep and race do");
  const build = new Builder(net, rows);
  if (!keep && mayRedo(net, rows)) build.shared = build.matrix(Math.max(...net.hidden));
  const [linears, decayEnd, parameters] = linearSlots(net);
  build.parameters = parameters;
  const knobs = { both: 2, gamma: 1, beta: 1, none: 0 }[net.affine];
  build.frozen = parameters + knobs * normalizedWidths(net).reduce((sum, width) => sum + padded(width), 0);
  const steps = net.time_steps;
  const inputAt = build.matrix(steps ? steps * net.inputs + 1 : net.inputs);
  const onInput = net.norm !== "none" && net.placement === "input";
  const first = onInput ? build.normalize(inputAt, build.knobs(net.inputs), 1) : inputAt;
  const src = hiddenLayers(build, linears.slice(0, -1), first, onInput);
  const last = linears.at(-1)!;
  const outputAt = build.product(src, last, true);
  build.activate(outputAt, last.outputs, last.bias, LINEAR, 1);
  build.probe(src, outputAt, outputAt, last, true);
  probeNorms(build);
  const widest = Math.max(net.inputs, ...net.hidden, net.outputs);
  const dAt: [number, number] = [build.matrix(widest), build.matrix(widest)];
  const stashAt = skips(net).size ? build.matrix(widest) : 0;
  const transposeAt = build.take(Math.max(...linears.map((slot) => padded(slot.outputs) * padded(slot.inputs))));
  const { ops, slopes, probes, probeSlopes, norms } = build;
  return {
    network: net, ops, slopes, probes, probeSlopes, linears, norms, nParameters: build.frozen, nLearned: build.parameters, decayEnd,
    nRunning: build.running, nWorkspace: build.workspace, inputAt, outputAt, dAt, stashAt, transposeAt,
    ones: [...build.live].map(([columns, offset]) => [offset, columns]),
  };
}

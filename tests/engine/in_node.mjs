// The page's half of the engine in Node: `node in_node.mjs JOB` does what JOB.json asks for and writes
// what came of it to JOB.out.json, arrays as hashes. `in_node.py` writes the job and bundles this.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

import { rounded, stepsTo } from "../../web/src/engine/curve.ts";
import { unpacked } from "../../web/src/engine/dataset.ts";
import { makeFeed } from "../../web/src/engine/feed.ts";
import { Kernels } from "../../web/src/engine/kernels.ts";
import { watcher } from "../../web/src/engine/layers.ts";
import { network } from "../../web/src/engine/network.ts";
import { TrialState } from "../../web/src/engine/state.ts";
import { compileTape } from "../../web/src/engine/tape.ts";
import { trial } from "../../web/src/engine/trial.ts";

const file = process.argv[2];
const job = JSON.parse(readFileSync(`${file}.json`, "utf-8"));
const out = {};

function hash(values) {
  const array = Array.isArray(values) ? Float64Array.from(values) : values.slice();
  for (let i = 0; i < array.length; i++) if (Number.isNaN(array[i])) array[i] = NaN;
  return createHash("sha256").update(new Uint8Array(array.buffer)).digest("hex");
}

function note(what, arrays) {
  for (const [name, values] of Object.entries(arrays)) out[`${what}: ${name}`] = hash(values);
}

const modules = {};
for (const name of ["float32", "float64"]) modules[name] = await Kernels.of(await WebAssembly.compile(readFileSync(`${job.modules}/kernels-${name}.wasm`)));
const sets = {};
for (const [name, path] of Object.entries(job.data)) {
  const bytes = readFileSync(path);
  sets[name] = await unpacked(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

for (const [i, name] of job.feeds.entries()) note(`feed ${i}`, Object.fromEntries(Object.entries(makeFeed(sets[name], Float32Array)).filter(([, v]) => typeof v === "object")));

job.tapes.forEach(([net, rows, keep], i) => {
  const tape = compileTape(net, rows, keep);
  const slots = [...tape.linears.flatMap((s) => [s.weight, s.bias, s.inputs, s.outputs]), ...tape.norms.flatMap((s) => [s.gamma, s.beta, s.running, s.columns, s.steps])];
  const numbers = [tape.nParameters, tape.nLearned, tape.decayEnd, tape.nRunning, tape.nWorkspace, tape.inputAt, tape.outputAt, ...tape.dAt, tape.stashAt, tape.transposeAt];
  out[`tape ${i}`] = hash([...tape.ops.flat(), ...tape.slopes, ...tape.probes.flat(), ...tape.probeSlopes, ...slots, ...numbers, ...tape.ones.flat()]);
});

job.starts.forEach((one, i) => note(`start ${i}`, new TrialState(one, sets[one.data], modules).arrays));

for (const [what, one] of job.runs) {
  const state = new TrialState(one, sets[one.data], modules, () => 0);
  for (let slice = 1; !state.done; slice += 3) state.advance(state.step + slice);
  const curve = state.curve();
  note(what, Object.fromEntries(Object.entries(state.arrays).filter(([name]) => /^(learner|log)/.test(name))));
  for (const [part, values] of [["curve", curve], ["rounded", rounded(curve)], ["probes", curve.probes], ["landscape", curve.landscape]]) {
    note(`${what}: ${part}`, Object.fromEntries(Object.entries(values ?? {}).filter(([, v]) => ArrayBuffer.isView(v) || Array.isArray(v))));
  }
  out[`${what}: ended`] = [curve.ended, curve.ended_at];
  out[`${what}: goals`] = hash(job.goals.flatMap(([goal, keep]) => stepsTo(curve, goal, keep)));
  const half = Math.floor(curve.step.length / 2);
  note(`${what}: since`, { step: state.curve(false, half).step, metric: state.curve(false, half).metric });
}

job.layers.forEach((one, i) => {
  const watching = watcher(modules.float32, sets[one.data], one, { every: 10, rows: 50 });
  const state = new TrialState(one, sets[one.data], modules);
  state.advance(watching.next(0));
  out[`layers ${i}`] = { theta: [...state.arrays["learner.theta"]], ...watching.look(state) };
});

out.defaults = [network(job.least.network), trial({ network: network(job.least.network) })];
writeFileSync(`${file}.out.json`, JSON.stringify(out));

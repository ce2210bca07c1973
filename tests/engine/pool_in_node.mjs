// The page's pool in Node: `node pool_in_node.mjs FOLDER` trains as a page does, with the files of
// `make kernels` in that folder, workers dying and learners stopping on the way, and ends with an error
// if anything is not as it should be.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Worker, isMainThread, parentPort } from "node:worker_threads";

import { unpacked } from "../../web/src/engine/dataset.ts";
import { network } from "../../web/src/engine/network.ts";
import { Pool } from "../../web/src/engine/pool.ts";
import { Session } from "../../web/src/engine/session.ts";
import { trial } from "../../web/src/engine/trial.ts";

// Node's worker with a browser's manners.
class Hired extends Worker {
  constructor() {
    super(new URL(import.meta.url));
    this.on("message", (data) => this.onmessage({ data }));
    this.on("error", (error) => this.onerror(error));
  }
}

async function main(folder) {
  const digits = await unpacked(new Uint8Array(readFileSync(`${folder}/digits.bin.gz`)).buffer);
  const float32 = await WebAssembly.compile(readFileSync(`${folder}/kernels-float32.wasm`));
  const hired = [];
  const pool = new Pool(2, () => hired[hired.push(new Hired()) - 1]);
  pool.gather(); // before the module is there
  pool.equip({ float32 });
  const data = { digits };
  const all = Array.from({ length: 5 }, (_, seed) =>
    trial({ network: network({ inputs: 64, hidden: [32, 32], outputs: 10, norm: seed % 2 ? "batch" : "none" }), steps: 600, evaluate_every: 20, seed }));
  const plain = ({ seconds, ...curve }) => curve;

  const points = all.map(() => []);
  const ended = [];
  const curves = await pool.train(all, data, {
    onPoints: (place, first, { metric }) => points[place].splice(first, metric.length, ...metric),
    onCurve: (place, curve) => ended.push([place, curve]),
  });
  assert.equal(hired.length, 2);
  assert.deepEqual(curves.map((curve) => [curve.trial, curve.ended, curve.ended_at, curve.step.length]), all.map((one) => [one, "finished", 600, 31]));
  assert.deepEqual(points, curves.map((curve) => [...curve.metric]));
  assert.deepEqual(ended.map(([place]) => place).sort(), [0, 1, 2, 3, 4]);
  for (const { seconds } of curves) assert(seconds.at(-1) > 0 && seconds.every((s, i) => i === 0 || s >= seconds[i - 1]));
  assert(curves.every(({ metric }) => metric.at(-1) > 0.7));

  // A worker that dies: its trial is trained again, to the same curve.
  let killed = false;
  const again = await pool.train(all, data, {
    onPoints: (place, first) => {
      if (place !== 2 || killed || first === 0) return;
      killed = true;
      const hand = pool.hands.find((one) => one.task?.place === 2);
      hand.worker.onerror({ message: "planted" });
    },
  });
  assert(killed && hired.length === 3);
  assert.deepEqual(again.map(plain), curves.map(plain));

  // A worker that dies in silence.
  const { now } = Date;
  let shift = 0;
  Date.now = () => now() + shift;
  const slow = { ...all[0], steps: 100_000, evaluate_every: 0 };
  const control = new AbortController();
  const silent = pool.train([slow], data, { signal: control.signal });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const lost = pool.hands.find((one) => one.task);
  lost.worker.removeAllListeners("message");
  for (let i = 0; i < 12; i++) {
    shift += 3500; // as if a second were four and a half
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (!pool.hands.includes(lost)) break;
  }
  assert(!pool.hands.includes(lost), "it is found out");
  control.abort();
  assert.equal((await silent)[0].ended, "stopped");

  // The learner stops: what is trained stays, what waits never begins.
  const stopping = new AbortController();
  const many = [...Array(6).keys()].map((seed) => ({ ...all[1], seed, steps: 1_000_000, evaluate_every: 50 }));
  let seen = 0;
  const stopped = await pool.train(many, data, { signal: stopping.signal, onPoints: () => ++seen === 6 && stopping.abort() });
  assert(stopped.every((curve) => curve.ended === "stopped" && curve.ended_at < 1_000_000));
  assert(stopped.filter((curve) => curve.step.length > 1).length <= 2);
  assert.deepEqual((await pool.train([], data)), []);

  // What does not fit is an error, and the pool goes on.
  await assert.rejects(pool.train([{ ...all[0], network: { ...all[0].network, inputs: 5 } }], data), /inputs=5, but data set digits needs 64/);
  await assert.rejects(pool.train([{ ...all[0], dtype: "float64" }, ...many], data), /no kernels for dtype float64/);
  const wide = network({ inputs: 64, hidden: Array(150).fill(16384), outputs: 10 });
  await assert.rejects(pool.train([{ ...all[0], network: wide }], data), /has no memory for a network of this size/);
  assert.deepEqual((await pool.train([all[3]], data)).map(plain), [plain(curves[3])]);

  // Looks inside, at the same steps for all.
  const shown = all.slice(0, 2).map(() => []);
  const watched = new Map([0, 1].map((place) => [place, { every: 150, rows: 100, scale: all[0] }]));
  await pool.train(all.slice(0, 2), data, { watched, onShown: (place, one) => shown[place].push(one) });
  for (const looks of shown) {
    assert.deepEqual(looks.map(({ step }) => step), [0, 150, 300, 450, 600]);
    for (const { layers } of looks) assert.deepEqual(layers.map(({ below, counts, above }) => counts.reduce((a, b) => a + b, below + above)), [3200, 3200]);
    const axes = looks.map(({ layers }) => layers.map(({ low, high }) => [low, high]));
    assert.deepEqual(axes, axes.map(() => axes[0])); // that of its own start, at every step
  }
  pool.close();
  await Promise.all(hired.map((worker) => worker.terminate()));
}

if (isMainThread) await main(...process.argv.slice(2));
else {
  const session = new Session(parentPort);
  parentPort.on("message", (message) => session.take(message));
}

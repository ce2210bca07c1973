// What is timed in a worker: told what to prepare and then how many steps to train, it answers with
// the milliseconds they took. `bench/browser.py` bundles it.

import { unpacked } from "../../web/src/engine/dataset.ts";
import { Kernels } from "../../web/src/engine/kernels.ts";
import { TrialState } from "../../web/src/engine/state.ts";
import { Net } from "./nodes.js";

const fetched = async (name) => (await fetch(name)).arrayBuffer();
let advance = null; // trains so many steps more

async function engine({ trial }) {
  const kernels = { float32: await Kernels.of(await WebAssembly.compile(await fetched("kernels-float32.wasm"))) };
  const state = new TrialState(trial, await unpacked(await fetched(`${trial.data}.bin`)), kernels);
  return (steps) => state.advance(state.step + steps);
}

async function nodes({ sizes, batch, rate, trial }) {
  const data = await unpacked(await fetched(`${trial.data}.bin`));
  const net = new Net(sizes);
  let at = 0;
  return (steps) => {
    for (let step = 0; step < steps; step++) {
      for (let i = 0; i < batch; i++, at = (at + 1) % data.n_train) {
        net.learn(data.x_train.subarray(at * sizes[0], (at + 1) * sizes[0]), data.y_train[at]);
      }
      net.update(rate / batch);
    }
  };
}

async function tensorflow({ backend, sizes, batch, rate, trial }) {
  importScripts("tf.min.js", "tf-backend-wasm.min.js");
  if (backend === "wasm") tf.wasm.setWasmPaths(new URL("./", location).href);
  if (!(await tf.setBackend(backend))) throw new Error("it does not start here");
  const data = await unpacked(await fetched(`${trial.data}.bin`));
  const model = tf.sequential();
  for (const [i, units] of sizes.slice(1, -1).entries()) {
    model.add(tf.layers.dense({ units, useBias: false, ...(i ? {} : { inputShape: [sizes[0]] }) }));
    model.add(tf.layers.batchNormalization({ epsilon: 1e-5 }));
    model.add(tf.layers.activation({ activation: "relu" }));
  }
  model.add(tf.layers.dense({ units: sizes.at(-1), activation: "softmax" }));
  model.compile({ optimizer: tf.train.sgd(rate), loss: "categoricalCrossentropy" });
  const x = tf.tensor2d(data.x_train, [data.n_train, sizes[0]]);
  const y = tf.oneHot(tf.tensor1d(data.y_train, "int32"), sizes.at(-1));
  let at = 0;
  return async (steps) => {
    for (let step = 0; step < steps; step++, at = (at + batch) % (data.n_train - batch)) {
      const [rows, wanted] = [x.slice([at, 0], [batch, -1]), y.slice([at, 0], [batch, -1])];
      await model.trainOnBatch(rows, wanted);
      tf.dispose([rows, wanted]);
    }
  };
}

const PREPARE = { engine, nodes, tensorflow };

onmessage = async ({ data }) => {
  try {
    if (data.prepare) {
      advance = await PREPARE[data.prepare](data);
      await advance(1);
      postMessage({ ms: 0 });
    } else {
      const began = performance.now();
      await advance(data.steps);
      postMessage({ ms: performance.now() - began });
    }
  } catch (error) {
    postMessage({ error: String(error) });
  }
};

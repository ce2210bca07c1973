// The engine's other half, where no module is needed. What it makes is held to Python's by
// tests/engine/test_engine_wasm.py.

import { afterEach, expect, test, vi } from "vitest";

import { type Curve, rounded, stepsTo } from "../src/engine/curve";
import type { Dataset } from "../src/engine/dataset";
import { network } from "../src/engine/network";
import { Pool, workers } from "../src/engine/pool";
import type { ToWorker } from "../src/engine/session";
import { compileTape } from "../src/engine/tape";
import { evaluationSteps, keyOf, probeSteps, surveySteps, trial } from "../src/engine/trial";

const TRIAL = trial({ network: network({ inputs: 1, hidden: [1], outputs: 2 }), steps: 100 });

afterEach(() => vi.unstubAllGlobals());

function curve(step: number[], metric: number[], more: Partial<Curve> = {}): Curve {
  const none = new Float64Array(step.length);
  return {
    trial: TRIAL, step, metric: Float64Array.from(metric), seconds: none, train_loss: none, test_loss: none, train_eval_loss: none,
    train_metric: none, ended: "finished", ended_at: 100, ...more,
  };
}

test("a trial's key is its settings, in whatever order they are given", () => {
  const again = Object.fromEntries(Object.entries(TRIAL).reverse()) as unknown as typeof TRIAL;
  expect(keyOf(again)).toBe(keyOf(TRIAL));
  expect(keyOf({ ...TRIAL, seed: 1 })).not.toBe(keyOf(TRIAL));
  expect(keyOf({ ...TRIAL, network: { ...TRIAL.network, hidden: [1, 1] } })).not.toBe(keyOf(TRIAL));
  expect(JSON.parse(keyOf(TRIAL))).toEqual(TRIAL);
});

test("a network with convolutions is refused", () => {
  const plain = network({ inputs: 4, hidden: [3], outputs: 2 });
  const convolutional = { conv: [{ channels: 8 }], shape: [4, 1] };
  expect(() => compileTape({ ...plain, ...convolutional }, 2)).toThrow("a page trains no convolutions");
  const none = { conv: [] };
  expect(compileTape({ ...plain, ...none }, 2).linears).toHaveLength(2);
});

test("steps of evaluations, probes and surveys", () => {
  const some = { ...TRIAL, evaluate_every: 40, probe_every: 50, landscape_every: 99 };
  expect([evaluationSteps(some), probeSteps(some), surveySteps(some)]).toEqual([[0, 40, 80, 100], [0, 50], [0, 99]]);
  expect([evaluationSteps(TRIAL), probeSteps(TRIAL), surveySteps(TRIAL)]).toEqual([[0, 100], [], []]);
  expect(evaluationSteps({ ...TRIAL, evaluate_every: 100 })).toEqual([0, 100]);
  expect(evaluationSteps({ ...TRIAL, evaluate_every: 500 })).toEqual([0, 100]);
});

test("a goal counts once it is held", () => {
  const held = curve([0, 20, 22, 60, 80, 100], [0.1, 0.9, 0.2, 0.8, 0.9, 0.9]);
  expect(stepsTo(held, 0.7)).toBeCloseTo(53.667, 3);
  expect(stepsTo(held, 0.95)).toBe(Infinity);
  expect(stepsTo({ ...held, ended: "diverged" }, 0.7)).toBe(Infinity);
  expect(stepsTo(curve([], []), 0.7)).toBe(Infinity);
});

test("what is measured is rounded to float32, all else stays", () => {
  const loss = { step: [0], eta: Float64Array.of(0.1), loss: Float64Array.of(1e300), loss_here: Float64Array.of(0.1), gradient_norm: Float64Array.of(NaN), gradient_change: Float64Array.of(2) };
  const found = rounded(curve([0, 16777217], [0.1, 0.5], { landscape: loss }));
  expect([...found.metric]).toEqual([Math.fround(0.1), 0.5]);
  expect(found.step).toEqual([0, 16777217]);
  expect([...found.landscape!.loss, ...found.landscape!.loss_here, ...found.landscape!.gradient_norm]).toEqual([Infinity, Math.fround(0.1), NaN]);
});

test.each([[undefined, 2], [1, 1], [2, 2], [4, 3], [5, 4], [64, 4]])("a device of %s cores trains with %i workers", (hardwareConcurrency, count) => {
  vi.stubGlobal("navigator", { hardwareConcurrency });
  expect(workers()).toBe(count);
});

test("a worker makes place for a new one before it has left much behind", async () => {
  const hired: { over: boolean }[] = [];
  const hire = () => {
    const worker = {
      over: false,
      onmessage: (_event: object) => {},
      terminate: () => { worker.over = true; },
      postMessage: (message: ToWorker) => {
        if (message.type !== "train") return;
        const { id } = message.order;
        queueMicrotask(() => worker.onmessage({ data: { type: "curve", id, curve: { ...curve([], []), ended_at: id } } }));
      },
    };
    hired.push(worker);
    return worker as unknown as Worker;
  };
  const pool = new Pool(2, hire);
  const data = { name: TRIAL.data, features: ["x"], n_train: 1e6, task: "classification", classes: ["a", "b"], time_steps: TRIAL.network.time_steps } as unknown as Dataset;
  const curves = await pool.train(Array(220).fill(TRIAL), { [TRIAL.data]: data });
  expect(curves.map((one) => one.ended_at)).toEqual([...Array(220).keys()]);
  expect(hired.length).toBeGreaterThan(4);
  expect(hired.filter((worker) => !worker.over).length).toBe(2);
  pool.close();
});

import { expect, test } from "vitest";

import { lanesOf, metricAt, picturesOf } from "../src/charts/track";
import { Growing } from "../src/live/frames";
import { Run } from "../src/live/run";
import type { TrialShown } from "../src/made/messages";

const ARMS = ["none", "batch"].map((id) => ({ id, name: id }));
const of = (trial: TrialShown) => (trial.phase === "measuring" ? [trial.norm] : []);

function racing(): Run {
  const run = new Run(1, "race", {});
  const add = (norm: string, seed: number, step: number[], metric: number[], phase = "measuring") => {
    run.trials.push({ norm, seed, phase } as unknown as TrialShown);
    run.curves.push(Object.assign(new Growing(), { step, metric }));
  };
  add("batch", 1, [0, 10, 20, 30], [0.1, 0.6, 0.9, 0.95]);
  add("none", 1, [0, 10, 20], [0.1, 0.2, 0.3]);
  add("none", 0, [0, 10, 20, 30], [0.1, 0.15, 0.35, 0.5], "tuning");
  add("none", 0, [], []);
  return run;
}

test("a lane for every seed of an arm, in the arms' order, without the search", () => {
  const lanes = lanesOf(racing(), ARMS, of);
  expect(lanes.map((lane) => [lane.arm, lane.trial.seed, lane.place])).toEqual([["none", 0, 3], ["none", 1, 1], ["batch", 1, 0]]);
});

test("a runner stands where its newest measurement puts it, one without any nowhere", () => {
  const run = racing();
  const lanes = lanesOf(run, ARMS, of);
  expect(lanes.map((lane) => metricAt(run, lane, 25))).toEqual([null, 0.3, 0.9]);
  expect(lanes.map((lane) => metricAt(run, lane, 0))).toEqual([null, 0.1, 0.1]);
});

test("the pictures are the measured steps, up to an end, and never too many", () => {
  const run = racing();
  const lanes = lanesOf(run, ARMS, of);
  expect(picturesOf(run, lanes)).toEqual([0, 10, 20, 30]);
  expect(picturesOf(run, lanes, 15)).toEqual([0, 10]);
  run.curves[0]!.step = Array.from({ length: 1001 }, (_, i) => i);
  const many = picturesOf(run, lanes);
  expect(many.length).toBeLessThanOrEqual(61);
  expect([many[0], many.at(-1)]).toEqual([0, 1000]);
});

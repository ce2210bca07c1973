import { expect, test } from "vitest";

import { added, bestOf } from "../src/chapters/place-belt";
import { Growing } from "../src/live/frames";
import { Run } from "../src/live/run";

function tried(ways: { metric: number[]; how: "finished" | "diverged" }[]): Run {
  const run = new Run(1, "bench", {});
  ways.forEach(({ metric, how }, trial) => {
    run.curves.push(Object.assign(new Growing(), { metric }));
    run.ended.set(trial, { type: "ended", run: 1, trial, how, at: 0 });
  });
  return run;
}

test("the learning rate that came furthest counts, in every second point up to its last", () => {
  const run = tried([
    { metric: [0.1, 0.2, 0.3, 0.4], how: "finished" },
    { metric: [0.1, 0.5, 0.6, 0.8], how: "finished" },
    { metric: [0.1, 0.9], how: "finished" },
    { metric: [0.1, 0.99], how: "diverged" },
  ]);
  expect(bestOf(run)).toEqual([0.9]);
  run.curves[2]!.metric = [0.1, 0.7];
  expect(bestOf(run)).toEqual([0.5, 0.8]);
});

test("what blew up everywhere has learned nothing", () => {
  expect(bestOf(tried(Array(4).fill({ metric: [0.1, 0.6], how: "diverged" })))).toEqual([0]);
});

test("another start at a place stands beside the first, another data set apart", () => {
  let board = added([], "digits", "before", 0.9);
  board = added(board, "digits", "none", 0.3);
  board = added(board, "cookies", "before", 0.5);
  board = added(board, "digits", "before", 0.8);
  expect(board).toEqual([
    { data: "digits", at: "none", rights: [0.3] },
    { data: "cookies", at: "before", rights: [0.5] },
    { data: "digits", at: "before", rights: [0.9, 0.8] },
  ]);
});

import { expect, test } from "vitest";

import { armsOf, csv, fromLink, idOf, namesOf, PLAIN, python, START, toLink } from "../src/chapters/bench-state";
import { Growing } from "../src/live/frames";
import { Run } from "../src/live/run";
import type { TrialShown } from "../src/made/messages";

const link = (state: unknown) => `#/bench?${new URLSearchParams({ state: JSON.stringify(state) })}`;

test("a link brings the workbench back as it was", () => {
  const bench = { ...START, data: "cookies" as const, seed: 4242, arms: [{ ...PLAIN, norm: "rms" as const, eps: 0 }, PLAIN] };
  expect(fromLink(toLink(bench))).toEqual(bench);
});

test.each(["", "#/bench", "#/bench?state=", "#/bench?state={", link(null), link(7), link({ arms: [] }), link({ arms: "x" })])("a link without a state is none: %s", (hash) => {
  expect(fromLink(hash)).toBeNull();
});

test("nonsense in a link becomes what there was at first, and no line of Python is lost by it", () => {
  const wild = fromLink(link({ steps: "many", seed: 3, arms: [{ norm: "x", init: 3, depth: -1, width: 1e300, eps: null, dropout: [] }, null, 5] }))!;
  expect(wild.steps).toBe(START.steps);
  expect(wild.seed).toBe(3);
  expect(wild.arms).toEqual([{ ...PLAIN, depth: 1, width: 1000 }, PLAIN, PLAIN]);
  expect(python(wild)).toContain("hidden=(1000,)");
});

const trial = (cells: string[], seed: number) => ({ key: `k${seed}`, seed, places: cells.map((arm) => ({ block: "arms", cell: { arm }, at: ["best"] })) }) as unknown as TrialShown;

test("arms dialled alike share a trial, and each has its curve, its look and its lines", () => {
  const arms = [PLAIN, PLAIN, { ...PLAIN, norm: "batch" as const }];
  expect(armsOf(arms)(trial(["1", "2"], 0))).toEqual(["none/1", "none/2"]);
  expect(idOf(arms, 2)).toBe("batch/3");
  const run = new Run(1, "bench", { ...START, arms });
  run.trials = [trial(["1", "2"], 0)];
  const curve = new Growing();
  curve.add({ run: 1, trial: 0, first: 0, count: 1, values: new Float32Array([10, 0.5, NaN, 2]) });
  run.curves = [curve];
  const lines = csv(run).trim().split("\n").map((line) => line.split(","));
  expect(lines.slice(1).map((cells) => cells.slice(0, 7).join(","))).toEqual(["1,0,k0,10,0.5,,2", "2,0,k0,10,0.5,,2"]);
  expect(Object.fromEntries(lines[0]!.map((name, i) => [name, lines[1]![i]]))).toMatchObject({ data: "digits", norm: "none", learning_rate: "0.1", width: "64" });
});

test("an arm is named by what differs", () => {
  const batch = { ...PLAIN, norm: "batch" as const };
  expect(namesOf([PLAIN, batch])).toEqual(["1. no normalization", "2. batch norm"]);
  expect(namesOf([batch, { ...batch, placement: "after" as const }])).toEqual(["1. before the activation", "2. after the activation"]);
  expect(namesOf([batch, { ...batch, learning_rate: 1, eps: 0 }])).toEqual(["1. ε 0.00001, learning rate 0.1", "2. ε 0, learning rate 1"]);
  expect(namesOf([batch, batch])).toEqual(["1. batch norm", "2. batch norm"]);
});

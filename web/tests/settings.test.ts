import { expect, test } from "vitest";

import { Growing } from "../src/live/frames";
import { Run } from "../src/live/run";
import { howFar } from "../src/parts/experiment";
import { belongs, next, same } from "../src/parts/settings";

function run(settings: object, status: Run["status"] = "done"): Run {
  const made = new Run(1, "race", settings as Run["settings"]);
  made.status = status;
  return made;
}

test("settings are the same whatever the order of their keys", () => {
  expect(same({ a: 1, b: [{ c: 2, d: 3 }] }, { b: [{ d: 3, c: 2 }], a: 1 })).toBe(true);
  expect(same({ a: 1 }, { a: 1, b: 2 })).toBe(false);
  expect(same({ a: {} }, { a: { sugar: 2 } })).toBe(false);
  expect(same([1, 2], [1])).toBe(false);
  expect(same(null, {})).toBe(false);
});

test("a run belongs to the settings it was asked for with, whatever its seeds", () => {
  const full = { data: "digits", depth: 3, init: "torch", seed: 5, seeds: 5 };
  expect(belongs(run(full), { data: "digits", init: "torch" })).toBe(true);
  expect(belongs(run(full), { data: "digits", init: "he" })).toBe(false);
  expect(belongs(run(full), { data: "digits", seed: 0 })).toBe(true);
});

test("asked for again, a finished run takes the next seeds; one that did not finish, the same", () => {
  const asked = { data: "digits" };
  const full = { data: "digits", seed: 5, seeds: 5 };
  expect(next(run(full), asked)).toEqual({ data: "digits", seed: 10 });
  expect(next(run(full, "stopped"), asked)).toEqual(asked);
  expect(next(run({ ...full, data: "cookies" }), asked)).toEqual(asked);
  expect(next(null, asked)).toEqual(asked);
  const recorded = Object.assign(run(full), { origin: { of: "recorded", when: "", machine: "" } });
  expect(next(recorded, asked)).toEqual(asked);
});

test("each pair of a class has seeds of its own, from its first run on", () => {
  const asked = { data: "digits" };
  expect(next(null, asked, 7)).toEqual({ data: "digits", seed: 7000 });
  expect(next(run({ data: "digits", seed: 7000, seeds: 5 }), asked, 7)).toEqual({ data: "digits", seed: 7005 });
  expect(next(run({ data: "digits", seed: 5, seeds: 5 }), asked, 7)).toEqual({ data: "digits", seed: 7000 });
  expect(next(run({ ...asked, seed: 4242, seeds: 2 }), { ...asked, seed: 4242 }, 7)).toEqual({ data: "digits", seed: 4244 });
});

test("how far a run is, is counted in steps", () => {
  const made = run({}, "running");
  made.progress = { type: "progress", run: 1, phase: "measuring", done: 1, total: 4 };
  made.trials = ["tuning", "measuring", "measuring", "measuring"].map((phase) => ({ phase, steps: 100 }) as unknown as Run["trials"][number]);
  made.curves = [100, 100, 50].map((step) => Object.assign(new Growing(), { step: [0, step] }));
  made.ended.set(1, { type: "ended", run: 1, trial: 1, how: "diverged", at: 3 });
  expect(howFar(made)).toBe(1.5);
});

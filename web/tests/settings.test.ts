import { expect, test } from "vitest";

import { Run } from "../src/live/run";
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

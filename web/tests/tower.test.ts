import { expect, test } from "vitest";

import { FLOORS, heard, lightOf } from "../src/chapters/tower-scene";

test("a message times 0.9 on each of 50 floors is half a percent of itself at the ground", () => {
  expect(heard(0.9, false)).toHaveLength(FLOORS);
  expect(heard(0.9, false).at(-1)).toBeCloseTo(0.00515, 5);
  expect(heard(1.1, false).at(-1)).toBeCloseTo(117.39, 2);
  expect(new Set(heard(1, false))).toEqual(new Set([1]));
});

test("through the corridor comes one copy more, on every floor", () => {
  const [plain, past] = [heard(0.95, false), heard(0.95, true)];
  past.forEach((value, floor) => expect(value - plain[floor]!).toBeCloseTo(1, 12));
});

test("windows are dark where nothing is heard, lit by the message, red by more", () => {
  expect(lightOf(0.9 ** 50)).toEqual({ level: 0, loud: 0 });
  expect(lightOf(1)).toEqual({ level: 1, loud: 0 });
  expect(lightOf(1.1 ** 50)).toEqual({ level: 1, loud: 1 });
  expect(lightOf(0.5).level).toBeGreaterThan(lightOf(0.4).level);
  expect(lightOf(1e9).loud).toBe(1);
});

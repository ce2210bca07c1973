import { expect, test } from "vitest";

import { along, worst } from "../src/chapters/break-parts";
import type { Effect } from "../src/made/messages";

const effect = (id: string, value: number | null) => ({ id, value, low: value, high: value }) as Effect;

test("a part's cost is the largest of those that its sentence quotes, and of no others", () => {
  const effects = [effect("cost/input/0/best", 80), effect("cost/before/0/best", 0), effect("cost/after/0/best", 81), effect("cost/input/1/best", 99)];
  expect(worst("break.eps", effects)?.value).toBe(81);
  expect(worst("break.eps", [effect("cost/input/0/best", null), effect("cost/before/0/best", -2)])?.value).toBe(-2);
  expect(worst("break.eps", [effect("cost/input/1/best", 99)])).toBeNull();
});

test("all parts are measured on one scale, on which a gain lies left of nothing", () => {
  expect([-40, -10, 100, 120].map(along)).toEqual([0, 0, 100, 100]);
  expect(along(-5)).toBeLessThan(along(0));
  expect(along(55) - along(45)).toBeCloseTo(along(10) - along(0));
});

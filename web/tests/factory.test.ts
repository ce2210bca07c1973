import { expect, test } from "vitest";

import { outline, wandered } from "../src/chapters/factory-scene";

const pile = (mean: number, std: number) => ({ low: -5, high: 5, counts: [1], below: 0, above: 0, mean, std });

test("how far a pile has wandered is counted in spreads of the pile at the start", () => {
  expect(wandered(pile(3, 6), pile(2, 2))).toEqual({ away: 0.5, wide: 3 });
  expect(wandered(pile(2, 2), pile(2, 2))).toEqual({ away: 0, wide: 1 });
});

test("a pile's outline has a step a bin, from the floor up and back to it", () => {
  expect(outline([1, 4, 0], 4, 30)).toBe("M0 0V-15.5H10.0V-62.0H20.0V0.0H30.0V0");
});

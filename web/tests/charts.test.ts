import { expect, test } from "vitest";

import { ranges } from "../src/charts/drawn";
import { path } from "../src/charts/figure";
import { wrapped } from "../src/charts/wrapped";

test("a path has gaps where values are missing", () => {
  expect(path([[0, 1], [2, 3], null, [4, 5], [NaN, 1]])).toBe("M0.0 1.0L2.0 3.0M4.0 5.0");
});

test("seeds in ranges, names in lines", () => {
  expect(ranges([7, 0, 1, 2, 2, 9, 10])).toBe("0–2, 7, 9–10");
  expect(wrapped("no normalization, usual start", 120)).toEqual(["no normalization,", "usual start"]);
});

import { expect, test } from "vitest";

import { bakedOf } from "../src/chapters/rates-dial";

test.each<[string, number, boolean, number[]]>([
  ["dough", 0.1, false, [2.3, 2.2, 2.2]],
  ["pale", 0.7, false, [2.3, 1.1]],
  ["right", 0.95, false, [2.3, 2.9, 0.2]],
  ["burnt", 0, true, [2.3]],
  ["burnt", 0.1, false, [2.3, NaN]],
  ["burnt", 0.1, false, [2.3, 40, 2.3]],
])("%s", (baked, right, diverged, loss) => {
  expect(bakedOf(right, diverged, loss)).toBe(baked);
});

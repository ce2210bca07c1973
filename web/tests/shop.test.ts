import { expect, test } from "vitest";

import { changed, shopOf } from "../src/chapters/layer-shop";

test("who is out is in no table, and each machine works on the others alone", () => {
  const { raw, batch, layer } = shopOf([0, 3]);
  expect(raw).toEqual([null, ["10", "9", "8"], ["6", "2", "7"], null]);
  expect(batch).toEqual([null, ["1", "1", "1"], ["−1", "−1", "−1"], null]);
  expect(layer[2]).toEqual(["0.46", "−1.4", "0.93"]);
});

test("only numbers of those who were in before and after can have changed", () => {
  const [all, some] = [shopOf([]), shopOf([1])];
  expect(changed(all.layer, some.layer).flat()).not.toContain(true);
  const columns = changed(all.batch, some.batch);
  expect(columns[1]).toEqual([false, false, false]);
  expect(columns.flat().filter(Boolean).length).toBe(8);
  expect(changed(some.batch, all.batch)).toEqual(columns);
});

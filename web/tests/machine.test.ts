import { expect, test } from "vitest";

import { scalesOf } from "../src/chapters/machine";
import { evenOut, evenOutRows } from "../src/machine";
import cases from "./machine.json";

function close(got: number[][], wanted: (number | null)[][]): void {
  got.forEach((row, r) =>
    row.forEach((value, c) => {
      const want = wanted[r]![c]!;
      if (want === null) expect(Number.isFinite(value)).toBe(false);
      else expect(Math.abs(value - want) / Math.max(1, Math.abs(want))).toBeLessThan(1e-12);
    }),
  );
}

test.each(cases)("the machine calculates as evenbatch.norms does", (one) => {
  close(evenOut(one.table, one.eps, one.gamma, one.beta).out, one.out);
  close(evenOutRows(one.table, one.eps), one.within);
});

test("lines share a scale while all fit on it, and have their own when they do not", () => {
  const even = [[-1, 0, 1], [-2, 2, 0]];
  expect(scalesOf(even, true)).toEqual({ together: true, ends: [[-2.5, 2.5], [-2.5, 2.5]] });
  const back = [[2, 10, 6], [400, 620, 900]];
  const { together, ends } = scalesOf(back, true);
  expect(together).toBe(false);
  expect(ends).toEqual([[0, 10], [0, 900]]);
  // What stands on a line has places of its own, whatever stands on the others.
  expect(scalesOf([[-5, 3], [NaN, 700]], true).ends[0]).toEqual([-5, 3]);
});

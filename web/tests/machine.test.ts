import { expect, test } from "vitest";

import { endsOf, orderOf, shownAt } from "../src/chapters/machine-scene";
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

const TABLE = [[2, 400, 180], [10, 620, 180], [6, 900, 180], [4, 480, 180]];

test("lines reach as far as each other behind the machine, while all numbers fit", () => {
  const result = evenOut(TABLE, 1e-5, [1, 1, 1], [0, 0, 0]);
  const ends = (step: number) => endsOf(step, TABLE, shownAt(step, TABLE, result));
  expect([ends(0), ends(1)]).toEqual([[12, 1000, 250], [12, 1000, 250]]);
  expect([ends(2), ends(3)]).toEqual([[5, 5, 5], [5, 5, 5]]);
  // Undone, each order is where it was.
  const back = evenOut(TABLE, 1e-5, result.divisor, result.mean);
  expect(endsOf(3, TABLE, back.out)).toEqual([12, 1000, 250]);
  // What stands on a line has places of its own, whatever stands on the others.
  expect(endsOf(3, TABLE, [[-5, 3000, 0], [NaN, 2, 1]])).toEqual([12, 3000, 250]);
});

test("piles slide to zero and are as wide as each other, and their order stays", () => {
  const result = evenOut(TABLE, 0.00001, [1, 1, 1], [0, 0, 0]);
  const column = (step: number, c: number) => shownAt(step, TABLE, result).map((row) => row[c]!);
  expect(column(1, 0)).toEqual([-3.5, 4.5, 0.5, -1.5]);
  for (const c of [0, 1]) expect(Math.sqrt(column(2, c).reduce((sum, v) => sum + v * v, 0) / 4)).toBeCloseTo(1, 4);
  expect([0, 1, 2, 3].map((step) => orderOf(column(step, 0)))).toEqual(Array(4).fill("1, 4, 3, 2"));
});

// Binary frames of curves.

import { describe, expect, it } from "vitest";

import { COLUMNS, Growing, records } from "../src/live/frames";

function frame(run: number, trial: number, first: number, rows: number[][]): ArrayBuffer {
  const made = new DataView(new ArrayBuffer(16 + 4 * rows.length * COLUMNS.length));
  [run, trial, first, rows.length].forEach((value, i) => {
    made.setUint32(4 * i, value, true);
  });
  rows.flat().forEach((value, i) => {
    made.setFloat32(16 + 4 * i, value, true);
  });
  return made.buffer;
}

function joined(...frames: ArrayBuffer[]): ArrayBuffer {
  const parts = frames.map((one) => [...new Uint8Array(one)]);
  return new Uint8Array(parts.flat()).buffer;
}

describe("frames of curves", () => {
  it("holds any number of records, one after the other", () => {
    const found = records(joined(frame(1, 2, 0, [[0, 0.5, 1, 2]]), frame(1, 3, 4, [])));
    expect(found.map((one) => [one.run, one.trial, one.first, one.count])).toEqual([[1, 2, 0, 1], [1, 3, 4, 0]]);
    expect([...found[0]!.values]).toEqual([0, 0.5, 1, 2]);
    expect(records(new ArrayBuffer(0))).toEqual([]);
  });

  it("grows a curve where a record says, and a second time without harm", () => {
    const curve = new Growing();
    const [first, second] = records(joined(frame(0, 0, 0, [[0, 0.25, 2, 3], [10, 0.5, 1, 2]]), frame(0, 0, 1, [[10, 0.5, 1, 2], [20, 0.75, 0.5, 1]])));
    for (const record of [first!, second!, second!]) curve.add(record);
    expect(curve.step).toEqual([0, 10, 20]);
    expect(curve.metric).toEqual([0.25, 0.5, 0.75]);
    expect(curve.trainLoss).toEqual([3, 2, 1]);
  });
});

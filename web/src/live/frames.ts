// Binary frames from the server: see src/evenbatch/lesson/wire.py for the format.

import type { Curve } from "../engine/curve";

export const COLUMNS = ["step", "metric", "testLoss", "trainLoss"] as const;

export interface Record {
  run: number;
  trial: number;
  first: number;
  count: number;
  values: Float32Array; // count × COLUMNS
}

export function records(frame: ArrayBuffer): Record[] {
  const view = new DataView(frame);
  const found: Record[] = [];
  let at = 0;
  while (at + 16 <= frame.byteLength) {
    const run = view.getUint32(at, true);
    const trial = view.getUint32(at + 4, true);
    const first = view.getUint32(at + 8, true);
    const count = view.getUint32(at + 12, true);
    at += 16;
    const size = count * COLUMNS.length;
    found.push({ run, trial, first, count, values: new Float32Array(frame.slice(at, at + 4 * size)) });
    at += 4 * size;
  }
  return found;
}

// A curve that grows.
export class Growing {
  step: number[] = [];
  metric: number[] = [];
  testLoss: number[] = [];
  trainLoss: number[] = [];

  // Points from place `first` on, as the page's own engine gives them.
  put(first: number, points: Curve): void {
    points.step.forEach((step, i) => {
      this.step[first + i] = step;
      this.metric[first + i] = points.metric[i]!;
      this.testLoss[first + i] = points.test_loss[i]!;
      this.trainLoss[first + i] = points.train_loss[i]!;
    });
  }

  add(record: Record): void {
    const columns = [this.step, this.metric, this.testLoss, this.trainLoss];
    for (let i = 0; i < record.count; i++) {
      columns.forEach((column, c) => {
        column[record.first + i] = record.values[i * COLUMNS.length + c]!;
      });
    }
  }
}

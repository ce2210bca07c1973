// A data set as the kernels read it: flat arrays of the trial's precision, rows padded.

import { type Dataset, nOutputs } from "./dataset";
import type { Reals } from "./initialize";
import { padded } from "./operations";

export interface Feed {
  x: Reals;
  labels: BigInt64Array;
  target: Reals;
  xTest: Reals;
  labelsTest: BigInt64Array;
  targetTest: Reals;
  xStride: number;
  yStride: number;
}

export type RealKind = Float32ArrayConstructor | Float64ArrayConstructor;

function flat(kind: RealKind, values: ArrayLike<number>, rows: number, lengths?: Int32Array): Reals {
  const columns = values.length / rows;
  const stride = padded(columns + Number(lengths !== undefined));
  const out = new kind(rows * stride);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < columns; c++) out[row * stride + c] = values[row * columns + c]!;
    // Sequences carry their length behind them; the tape looks for it there.
    if (lengths) out[row * stride + columns] = lengths[row]!;
  }
  return out;
}

const made = new WeakMap<Dataset, Feed>(); // the newest of each data set; nobody writes into it

export function feedOf(data: Dataset, kind: RealKind): Feed {
  let feed = made.get(data);
  if (!(feed?.x instanceof kind)) made.set(data, (feed = makeFeed(data, kind)));
  return feed;
}

export function makeFeed(data: Dataset, kind: RealKind): Feed {
  const { n_train: n, n_test: m, lengths_train, lengths_test } = data;
  const classify = data.task === "classification";
  const x = flat(kind, data.x_train, n, lengths_train);
  const labels = (y: ArrayLike<number>) => (classify ? BigInt64Array.from(Array.from(y, BigInt)) : new BigInt64Array(0));
  const targets = (y: ArrayLike<number>, rows: number) => (classify ? new kind(0) : flat(kind, y, rows));
  return {
    x, labels: labels(data.y_train), target: targets(data.y_train, n),
    xTest: flat(kind, data.x_test, m, lengths_test), labelsTest: labels(data.y_test), targetTest: targets(data.y_test, m),
    xStride: x.length / n, yStride: padded(nOutputs(data)),
  };
}

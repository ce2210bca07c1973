// 95 % intervals over seeds, as Python's `protocol.intervals`, which has the sources: the same
// resamples, drawn by NumPy's generator from the same state.

import { INCREMENT, RESAMPLES, STATE, TAILS } from "../made/protocol";
import { type Floats, mean, quantile, sorted } from "./numbers";

export type Ends = [low: number, high: number];

const MASK = (1n << 64n) - 1n;
const ALL = (1n << 128n) - 1n;
const FACTOR = 0x2360ed051fc65da44385df649fccf645n;

// The generator's numbers of 32 bits, as many as were ever wanted (PCG XSL RR 128/64, O'Neill 2014).
const drawn: number[] = [];
let state = BigInt(STATE);
const increment = BigInt(INCREMENT);

function draw(place: number): number {
  while (drawn.length <= place) {
    state = (state * FACTOR + increment) & ALL;
    const high = state >> 64n;
    const mixed = high ^ (state & MASK);
    const turn = high >> 58n;
    const found = ((mixed >> turn) | (mixed << (64n - turn))) & MASK;
    drawn.push(Number(found & 0xffffffffn), Number(found >> 32n));
  }
  return drawn[place]!;
}

const kept = new Map<number, Uint8Array>();

// (resamples, n) places below n. (NumPy draws again where a place would be favoured, by one part in
// 2³²; for as few values as are allowed here that never happens.)
function resamples(n: number): Uint8Array {
  const found = kept.get(n) ?? Uint8Array.from({ length: RESAMPLES * n }, (_, i) => Math.floor((draw(i) * n) / 2 ** 32));
  kept.set(n, found);
  return found;
}

// The expanded percentile interval of a mean.
export function meanInterval(values: Floats): Ends {
  const n = values.length;
  if (n < 2) return [-Infinity, Infinity];
  const tail = TAILS[n];
  if (tail == null) throw new Error(`no interval of ${n} values is known here`);
  const places = resamples(n);
  const row = new Float64Array(n);
  const means = new Float64Array(RESAMPLES);
  for (let i = 0; i < RESAMPLES; i++) {
    for (let k = 0; k < n; k++) row[k] = values[places[i * n + k]!]!;
    means[i] = mean(row);
  }
  means.sort();
  return [quantile(means, tail), quantile(means, 1 - tail)];
}

// Between two order statistics: the innermost symmetric pair that covers the median so often.
export function medianInterval(values: Floats, confidence = 0.95): Ends {
  const ordered = sorted(values);
  const n = ordered.length;
  let [k, ways, fewer] = [0, 1, 1]; // of 2ⁿ: with exactly k values below the median, with at most k
  while (k + 1 < Math.floor((n + 1) / 2)) {
    ways = (ways * (n - k)) / (k + 1);
    fewer += ways;
    if ((2 * fewer) / 2 ** n > 1 - confidence) break;
    k++;
  }
  return [ordered[k]!, ordered[n - 1 - k]!];
}

// 95 % intervals over seeds, as Python's `protocol.intervals`, which has the sources: the same
// resamples, drawn by NumPy's generator from the same state.

import { INCREMENT, RESAMPLES, STATE, TAILS } from "../made/protocol";
import { type Floats, mean, quantile, sorted } from "./numbers";

export type Ends = [low: number, high: number];

// Numbers of 128 bits as eight of 16, the lowest first: with BigInt, 30 values take seconds.
const limbs = (value: bigint) => Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(16 * i)) & 0xffffn));
const FACTOR = limbs(0x2360ed051fc65da44385df649fccf645n);
const ADDED = limbs(BigInt(INCREMENT));
let state = limbs(BigInt(STATE));

function stepped(): number[] {
  let carry = 0;
  return ADDED.map((added, k) => {
    let total = carry + added;
    for (let i = 0; i <= k; i++) total += state[i]! * FACTOR[k - i]!;
    carry = Math.floor(total / 65536);
    return total % 65536;
  });
}

// The generator's numbers of 32 bits, as many as were ever wanted (PCG XSL RR 128/64, O'Neill 2014).
const drawn: number[] = [];

function draw(place: number): number {
  while (drawn.length <= place) {
    state = stepped();
    const [a, b, c, d, e, f, g, h] = state as [number, number, number, number, number, number, number, number];
    const turn = h >>> 10;
    const halves = [(a ^ e) | ((b ^ f) << 16), (c ^ g) | ((d ^ h) << 16)];
    if (turn >= 32) halves.reverse();
    const [low, high] = halves as [number, number];
    // (A shift by 32 is one by 0 here, so 31 and 1.)
    const turned = (one: number, other: number) => ((one >>> turn) | ((other << (31 - (turn & 31))) << 1)) >>> 0;
    drawn.push(turned(low, high), turned(high, low));
  }
  return drawn[place]!;
}

// As Python's `data.split.random_order` with seed 0: by the generator's numbers of 64 bits.
export function randomOrder(n: number): number[] {
  return [...Array(n).keys()].sort((a, b) => draw(2 * a + 1) - draw(2 * b + 1) || draw(2 * a) - draw(2 * b));
}

const kept = new Map<number, Uint8Array>();

// (resamples, n) places below n, by Lemire's method (2019), as NumPy's: numbers that would favour a
// place are drawn again. (Of 2 to 100 values that happens once, of 83.)
function resampled(n: number): Uint8Array {
  const favours = 2 ** 32 % n;
  let at = 0;
  return Uint8Array.from({ length: RESAMPLES * n }, () => {
    let wide = draw(at++) * n;
    while (wide % 2 ** 32 < favours) wide = draw(at++) * n;
    return Math.floor(wide / 2 ** 32);
  });
}

function resamples(n: number): Uint8Array {
  const found = kept.get(n) ?? resampled(n);
  kept.set(n, found);
  return found;
}

// The expanded percentile interval of a mean.
export function meanInterval(values: Floats, tails: number[] = TAILS): Ends {
  const n = values.length;
  if (n < 2) return [-Infinity, Infinity];
  const tail = tails[n];
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

// From values over seeds to an effect with its 95 % interval, as Python's `protocol.effects`.

import type { Effect as Sent } from "../made/messages";
import { PENALTY } from "../made/protocol";
import { meanInterval, medianInterval } from "./intervals";
import { finite, type Floats, mean, median } from "./numbers";

// An effect in numbers; sent, one that is none is null.
export type Effect = Omit<Sent, "value" | "low" | "high"> & { value: number; low: number; high: number };

function effect(label: string, value: number, low: number, high: number, unit: string, seeds = 0): Effect {
  return { label, value, low, high, unit, bound: "", id: "", seeds, about: "" };
}

export function meanEffect(label: string, values: Floats, unit: string): Effect {
  const found = finite(values);
  if (!found.length) return effect(label, NaN, -Infinity, Infinity, unit);
  return effect(label, mean(found), ...meanInterval(found), unit, found.length);
}

// The geometric mean over seeds of above / below, both positive.
export function ratioEffect(label: string, above: Floats, below: Floats, unit: string): Effect {
  const found = meanEffect(label, Array.from(above, (value, i) => Math.log(value) - Math.log(below[i]!)), unit);
  if (Number.isNaN(found.value)) return effect(label, NaN, 0, Infinity, unit);
  const [value, low, high] = [found.value, found.low, found.high].map((one) => Math.exp(Math.min(one, 700))) as [number, number, number];
  return effect(label, value, low, high, unit, found.seeds);
}

const known = Number.isFinite;

// How many times less the second arm needed, seed by seed; Infinity where the goal was not reached,
// which counts as one budget, and in the interval as anything from 1 to `PENALTY` budgets.
export function pairsRatio(pairs: [first: number, other: number][], budget: number, unit: string, label: string, price?: Floats): Effect {
  const logs = (first: number, other: number) =>
    pairs.map(([a, b]) => Math.log(known(a) ? a : first * budget) - Math.log(known(b) ? b : other * budget));
  const seeds = pairs.filter((pair) => pair.some(known)).length;
  if (!seeds) return effect(label, NaN, 0, Infinity, unit);
  let value = mean(logs(1, 1));
  let down = value - meanInterval(logs(1, PENALTY))[0];
  let up = meanInterval(logs(PENALTY, 1))[1] - value;
  if (price) {
    const cost = Array.from(price, Math.log);
    const middle = median(cost);
    const [low, high] = medianInterval(cost);
    [value, down, up] = [value + middle, Math.hypot(down, middle - low), Math.hypot(up, high - middle)];
  }
  const late = [0, 1].map((arm) => pairs.some((pair) => !known(pair[arm])));
  const high = up < Infinity ? Math.exp(Math.min(value + up, 700)) : up;
  const found = effect(label, Math.exp(value), Math.exp(value - down), high, unit, seeds);
  return { ...found, bound: late[0] === late[1] ? "" : late[0] ? "at least" : "at most" };
}

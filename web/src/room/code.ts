// A result as a code of twelve characters that a pair reads out and a teacher types: no server needed.
// Ten of them say what was found, on which seeds and with which settings; two check the ten.

import type { Run } from "../live/run";
import { APART, type Estimate, PAIRS } from "../made/room";
import { QUOTED } from "../parts/happened";
import { describedOf, families, type Families, type Settings } from "../protocol/experiments";

// Crockford's: no I, L, O or U, which are read as what they are taken for.
export const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TAKEN_FOR: { [letter: string]: string } = { I: "1", L: "1", O: "0", U: "V" };
const LENGTH = 12;

const NAMES = Object.keys(QUOTED);
export const RATIOS = new Set(["factory", "race", "tower"]); // others are differences: of points, of decades
const BOUNDS = ["", "at least", "at most"] as const;
const SEEDS = 5; // of one run
const KINDS = 894; // settings that are told apart; 0 are those that the chapter begins with
const MIDDLE = 2 ** 15;
const LARGEST = 1e4; // ratio
const STEP = 0.005; // of a difference

// What a code says, by its places, is less than 2⁴⁸; two bits before that say which version wrote it.
const RADIX = [16, PAIRS, APART / SEEDS, KINDS, BOUNDS.length, 2 * MIDDLE] as const;
const OTHERS = 2 ** 48;
const VERSION = 0;

export interface Coded {
  experiment: string;
  pair: number;
  seed: number; // the first of the run
  settings: number;
  value: number;
  bound: Estimate["bound"];
}

export type Fault = "length" | "letter" | "check" | "other";

// Times α in GF(32), α⁵ = α² + 1.
const times = (x: number) => (x << 1) ^ (x & 16 ? 37 : 0);

// Weighted by powers of α and of α²: whatever two characters are wrong, or change places, one of
// the two sums is another.
function checks(places: number[]): [number, number] {
  let [a, b] = [0, 0];
  for (const x of places) [a, b] = [times(a) ^ x, times(times(b)) ^ x];
  return [a, b];
}

// The code in groups of four; "" for what no code can say.
export function encoded({ experiment, pair, seed, settings, value, bound }: Coded): string {
  const level = MIDDLE + Math.round(RATIOS.has(experiment) ? (Math.log(value) / Math.log(LARGEST)) * MIDDLE : value / STEP);
  const parts = [NAMES.indexOf(experiment), pair - 1, Math.floor((seed % APART) / SEEDS), settings, BOUNDS.indexOf(bound), level];
  if (Math.floor(seed / APART) !== pair || parts.some((part, i) => !(part >= 0 && part < RADIX[i]!))) return "";
  const rest = VERSION * OTHERS + parts.reduce((sum, part, i) => sum * RADIX[i]! + part, 0);
  const places = Array.from({ length: LENGTH - 2 }, (_, i) => Math.floor(rest / 32 ** (LENGTH - 3 - i)) % 32);
  const text = [...places, ...checks(places)].map((place) => LETTERS[place]).join("");
  return text.replace(/(.{4})(?!$)/g, "$1 ");
}

// What a code says, however it was typed, or what is wrong with it.
export function decoded(typed: string): Coded | Fault {
  const text = [...typed.toUpperCase()].map((letter) => TAKEN_FOR[letter] ?? letter);
  if (text.some((letter) => !LETTERS.includes(letter))) return "letter";
  if (text.length !== LENGTH) return "length";
  const places = text.map((letter) => LETTERS.indexOf(letter));
  const [a, b] = checks(places.slice(0, -2));
  if (a !== places.at(-2) || b !== places.at(-1)) return "check";
  let rest = places.slice(0, -2).reduce((sum, place) => 32 * sum + place, 0) - VERSION * OTHERS;
  const parts: number[] = [];
  for (const radix of [...RADIX].reverse()) {
    parts.unshift(rest % radix);
    rest = Math.floor(rest / radix);
  }
  const [name, pair, run, settings, bound, level] = parts as [number, number, number, number, number, number];
  const experiment = NAMES[name];
  if (rest || !experiment) return "other";
  const value = RATIOS.has(experiment) ? LARGEST ** (level / MIDDLE - 1) : (level - MIDDLE) * STEP;
  return { experiment, pair: pair + 1, seed: APART * (pair + 1) + SEEDS * run, settings, value: Number(value.toPrecision(5)), bound: BOUNDS[bound]! };
}

// By which settings are told apart, but for the seeds: a hash of the experiment they describe, so that
// what is set as it is at first is the same as what is not set.
export function kindOf(all: Families, experiment: string, settings: Settings): number {
  const { chapter, described: first } = all[experiment]!;
  const { claim } = first.experiment;
  const { seed: _, seeds: __, ...rest } = settings;
  const text = (asked: Settings) => JSON.stringify(describedOf(all, chapter, { ...asked, claim }).experiment);
  const [described, usual] = [text(rest), text({})];
  if (described === usual) return 0;
  let hash = 0x811c9dc5; // FNV-1a
  for (let i = 0; i < described.length; i++) hash = Math.imul(hash ^ described.charCodeAt(i), 0x01000193) >>> 0;
  return 1 + (hash % (KINDS - 1));
}

// The code of what a pair found; "" if there is none: on nobody's seeds, or recorded.
export async function codeOf(experiment: string, { settings, result, origin }: Run, pair: number): Promise<string> {
  const id = QUOTED[experiment]?.[0]?.[0];
  const found = result?.verdict.effects.find((effect) => effect.id === id);
  if (!found || typeof found.value !== "number" || origin?.of === "recorded") return "";
  const { seed = 0 } = settings as { seed?: number };
  const kind = kindOf(await families(), experiment, settings);
  return encoded({ experiment, pair, seed, settings: kind, value: found.value, bound: found.bound as Estimate["bound"] });
}

// What the wall makes of numbers: where a claim stands, where dots lie, what all pairs come to.

import { digits } from "../charts/scale";
import type { Clause, Interval, PerPart, Rule } from "../made/experiment";
import { MIN_SEEDS } from "../made/protocol";
import type { Dot, Group, Pooled } from "../made/room";
import { headline, QUOTED } from "../parts/happened";
import { addWords, has, t, tt } from "../words";
import WORDS from "./words.json";

addWords(WORDS);

// Pairs from which on there is an interval, and an answer: as many as seeds everywhere else.
export const FEWEST = MIN_SEEDS;

// The effect that stands for an experiment, as in the learner's record.
export const effectOf = (experiment: string): string => QUOTED[experiment]![0]![0]!;

export const isRatio = (unit: string): boolean => unit.startsWith("times");

export function intervals(condition: Clause["when"]): Interval[] {
  return condition.type === "interval" ? [condition] : condition.type === "each" ? intervals(condition.when) : condition.of.flatMap(intervals);
}

const about = (of: Interval, id: string) => of.effects === id || (/[*$]$/.test(of.effects) && id.startsWith(of.effects.slice(0, -1)));

// The sizes that the claim's rule compares this effect with, from the first of its clauses that do.
export function claimed(rule: Rule | PerPart, id: string): number[] {
  if (rule.type === "per-part") return rule.parts.filter((part) => part.effect === id).map((part) => part.least ?? 1);
  for (const answer of ["holds", "holds in part", "does not hold"]) {
    const of = rule.clauses.filter((clause) => clause.answer === answer).flatMap((clause) => intervals(clause.when)).filter((one) => about(one, id));
    if (of.length) return [...new Set(of.map((one) => one.bound))].sort((a, b) => a - b);
  }
  return [];
}

export interface Placed {
  pair: number;
  x: number;
  row: number; // how many lie below it
}

// Dots beside and on top of each other, none on another.
export function placed(dots: Dot[], at: (value: number) => number, width: number): Placed[] {
  const rows: number[] = []; // the right edge of each row
  const known = dots.flatMap((dot) => (dot.value === null ? [] : [{ pair: dot.pair, x: at(dot.value) }]));
  return known
    .sort((a, b) => a.x - b.x || a.pair - b.pair)
    .map(({ pair, x }) => {
      let row = rows.findIndex((edge) => edge <= x - width + 1e-9);
      if (row < 0) row = rows.length;
      rows[row] = x;
      return { pair, x, row };
    });
}

// "9.4 times fewer steps (95 % interval from 8.1 to 10.9)"
export function together(experiment: string, pooled: Pooled): string {
  const amount = headline(experiment, { a: pooled.value, bound: pooled.bound });
  const { low, high, pairs } = pooled;
  if (pairs < FEWEST) return amount;
  const below = low === null || (isRatio(pooled.unit) && low === 0); // anything
  if (below && high === null) return tt("wall.no-interval", { amount });
  if (high === null) return tt("wall.from", { amount, low: digits(low, 3) });
  if (below) return tt("wall.up-to", { amount, high: digits(high, 3) });
  return tt("wall.between", { amount, low: digits(low, 3), high: digits(high, 3) });
}

// What was set, in words.
export function settingsName({ settings, usual }: Pick<Group, "settings" | "usual">): string {
  const { data, init } = JSON.parse(settings) as { data?: string; init?: string };
  const words = [...(data && has(`data.${data}`) ? [tt(`data.${data}`)] : []), ...(init && has(`init.${init}`) ? [`${t("knob.init")}: ${tt(`init.${init}`)}`] : [])];
  return words.length ? words.join(", ") : tt(usual ? "wall.usual" : "wall.changed");
}

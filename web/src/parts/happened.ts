// What happened, in words made from what was measured: the numbers a verdict gives to its sentence.

import type { Verdict } from "../charts/exhibits";
import { digits } from "../charts/scale";
import { has, tt } from "../words";

export type Facts = { [name: string]: number | string | null };

// Which effects a sentence quotes as {a}, {b} and {c}; where nothing is said, the first ones. The
// order of a verdict's effects is not the same for every claim.
const QUOTED: { [name: string]: RegExp[] } = {
  place: [/^before the activation over .*best against best/],
  "place.door": [/^standardized input over raw input, best/, /^standardized input, batch norm over raw .*best/],
  layer: [/training/, /testing/],
  "layer.stories": [/against batch norm/, /against no normalization/],
  "break.eps": [/epsilon 0 on the input, each/, /epsilon 0 before .*, each/, /epsilon 0 after .*, each/],
  "break.eval": [/batches of one$/, /batches of 32$/],
  "break.noise": [/over no normalization, little data, best/, /over no normalization, noisy labels, best/],
};

function quoted(name: string, verdict: Verdict): (number | null)[] {
  const of = QUOTED[name];
  if (!of) return verdict.effects.slice(0, 3).map((effect) => effect.value);
  return of.map((pattern) => {
    // The smallest lead is the one that can be claimed over all others.
    const values = verdict.effects.filter((effect) => pattern.test(effect.label)).map((effect) => effect.value);
    return values.length && values.every((value) => value !== null) ? Math.min(...(values as number[])) : null;
  });
}

function deepest(verdict: Verdict, arm: number, setting: string): number {
  const figure = verdict.figures.find((one) => one.kind === "dots");
  const series = figure?.series[arm];
  const of = (figure?.x.names ?? []).map((name, i) => (name.startsWith(setting) ? (series?.y[i] ?? 0) : 0));
  return Math.max(0, ...of);
}

// How many learning rates of a strip reach its goal.
function reached(verdict: Verdict, arm: number): number {
  const figure = verdict.figures.find((one) => one.kind === "strips");
  const goal = figure?.marks.find((mark) => mark.axis === "y")?.value ?? Infinity;
  return figure?.series[arm]?.y.filter((value) => value !== null && value >= goal).length ?? 0;
}

export function factsOf(name: string, verdict: Verdict): Facts {
  const [a = null, b = null, c = null] = quoted(name, verdict);
  const facts: Facts = { a, b, c, bound: verdict.effects[0]?.bound ?? "" };
  if (name === "race") {
    const marks = verdict.figures[0]?.marks ?? [];
    const [none, batch] = marks.filter((mark) => mark.axis === "x").map((mark) => mark.value);
    if (none && batch) Object.assign(facts, { none, batch, goal: 100 * (marks.find((mark) => mark.axis === "y")?.value ?? 0) });
  }
  if (name === "rates") {
    const all = verdict.figures[0]?.series[0]?.x.length ?? 0;
    Object.assign(facts, { none: reached(verdict, 0), batch: reached(verdict, 1), all, times: 10 ** Math.abs(a ?? 0) });
  }
  if (name === "tower") {
    Object.assign(facts, { none: deepest(verdict, 0, "plain"), batch: deepest(verdict, 1, "plain"), path: deepest(verdict, 1, "residual") });
  }
  return facts;
}

// Two digits, and nothing behind the first decimal: nobody can picture 0.036 of a hundred.
function plain(value: number | null): string {
  return digits(value !== null && Math.abs(value) < 1 ? Math.round(10 * value) / 10 || 0 : value);
}

// The sentence, and whatever else the numbers let one say.
export function happened(name: string, answer: string, facts: Facts): string {
  const values = Object.fromEntries(
    Object.entries(facts).map(([key, value]) => [key, typeof value === "string" ? (value ? `${tt(`bound.${value.replaceAll(" ", "-")}`)} ` : "") : plain(value)]),
  );
  const key = `${name}.happened.${answer.replaceAll(" ", "-")}`;
  const more = `${name}.happened.more`;
  const said = has(key) ? tt(key, values) : "";
  return has(more) && facts.none !== undefined ? `${tt(more, values)} ${said}` : said;
}

// What happened, in words made from what was measured: the numbers a verdict gives to its sentence.
// They are found by the ids of effects, figures, series and levels.

import { digits } from "../charts/scale";
import atlas from "../made/atlas.json";
import type { Effect, Figure, Result } from "../made/messages";
import { currentLanguage, has, tt } from "../words";

export type Facts = { [name: string]: number | string | null };

// Which effects a sentence quotes as {a}, {b} and {c}, by their ids; of several, the smallest lead
// is the one that can be claimed over all others. The first is the one number of the record.
export const QUOTED: { [experiment: string]: string[][] } = {
  factory: [["drift"]],
  race: [["steps/best"], ["time/best"]],
  rates: [["wider"]],
  tower: [["deeper/plain-torch"]],
  "tower.gradients": [["calmer/best/torch"]],
  place: [["gain/raw/best/before/after", "gain/raw/best/before/input", "gain/raw/best/before/none"]],
  "place.door": [["gain/arms/best/standardized/raw"], ["gain/arms/best/both/batch"]],
  layer: [["trained"], ["tested"]],
  "layer.stories": [["gain/arms/best/layer/batch"], ["gain/arms/best/layer/none"]],
  "break.eps": [["cost/input/0/best"], ["cost/before/0/best"], ["cost/after/0/best"]],
  "break.knobs": [["gain/wide/best/both/none"]],
  "break.eval": [["cost/1"], ["cost/32"]],
  "break.noise": [["gain/little/best/batch/none"], ["gain/noisy/best/batch/none"]],
};

function least(effects: Effect[], ids: string[]): number | null {
  const values = ids.map((id) => effects.find((effect) => effect.id === id)?.value ?? null);
  return values.every((value) => value !== null) ? Math.min(...(values as number[])) : null;
}

// The values of a series of a figure at some levels of its axis.
function at(figure: Figure | undefined, series: string, levels: string[]): number[] {
  const found = figure?.series.find((one) => one.id === series);
  return levels.map((level) => found?.y[figure!.x.ids.indexOf(level)] ?? 0);
}

// How many places of a series reach the figure's goal.
function reached(figure: Figure | undefined, series: string): number {
  const goal = figure?.marks.find((mark) => mark.id === "goal")?.value ?? Infinity;
  return figure?.series.find((one) => one.id === series)?.y.filter((value) => value !== null && value >= goal).length ?? 0;
}

export function factsOf(name: string, { verdict }: Result): Facts {
  const [a = null, b = null, c = null] = (QUOTED[name] ?? []).map((ids) => least(verdict.effects, ids));
  const first = verdict.effects.find((effect) => effect.id === QUOTED[name]?.[0]?.[0]);
  const facts: Facts = { a, b, c, bound: first?.bound ?? "" };
  const figure = (id: string) => verdict.figures.find((one) => one.id === id);
  if (name === "race") {
    const marks = figure("curves/steps")?.marks ?? [];
    const needed = (arm: string) => marks.find((mark) => mark.id === "steps" && mark.series === arm)?.value;
    const goal = marks.find((mark) => mark.id === "goal")?.value;
    if (needed("none") && needed("batch") && goal) Object.assign(facts, { none: needed("none"), batch: needed("batch"), goal: 100 * goal });
  }
  if (name === "rates") {
    const tried = figure("rates");
    const all = tried?.series[0]?.x.length ?? 0;
    if (tried) Object.assign(facts, { none: reached(tried, "none"), batch: reached(tried, "batch"), all, times: 10 ** Math.abs(a ?? 0) });
  }
  if (name === "tower") Object.assign(facts, tallest({ verdict }));
  return facts;
}

// The tallest towers that learned, each from the better of its two starts: plain ones without and
// with batch norm, and with a path around, without and with it.
export function tallest({ verdict }: Pick<Result, "verdict">): { none: number; batch: number; corridor: number; path: number } | null {
  const deepest = verdict.figures.find((one) => one.id === "deepest");
  if (!deepest) return null;
  const most = (arm: string, kind: string) => Math.max(...at(deepest, arm, [`${kind}-torch`, `${kind}-he`]));
  return { none: most("none", "plain"), batch: most("batch", "plain"), corridor: most("none", "residual"), path: most("batch", "residual") };
}

// Two digits, and nothing behind the first decimal: nobody can picture 0.036 of a hundred.
export function plain(value: number | null): string {
  return digits(value !== null && Math.abs(value) < 1 ? Math.round(10 * value) / 10 || 0 : value);
}

const key = (text: string) => text.replaceAll(" ", "-");

function bound(text: string): string {
  return text ? `${tt(`bound.${key(text)}`)} ` : "";
}

// The sentence, and whatever else the numbers let one say.
export function happened(name: string, answer: string, facts: Facts): string {
  const values = Object.fromEntries(Object.entries(facts).map(([fact, value]) => [fact, typeof value === "string" ? bound(value) : plain(value)]));
  const sentence = `${name}.happened.${key(answer)}`;
  const more = `${name}.happened.more`;
  const said = has(sentence) ? tt(sentence, values) : "";
  return has(more) && facts.none !== undefined ? `${tt(more, values)} ${said}` : said;
}

// The one number of an experiment, with its unit: "9.8 times fewer steps".
export function headline(name: string, facts: Facts): string {
  if (typeof facts.a !== "number") return "";
  return `${bound(`${facts.bound ?? ""}`)}${digits(facts.a)} ${tt(`record.unit.${name}`)}`.replace(" -", "-");
}

// Which sentences of the atlas belong to an experiment, by their claims.
const MAPPED: { [experiment: string]: (keyof typeof atlas.shares)[] } = {
  race: ["speed", "batch-size"],
  rates: ["learning-rate"],
  tower: ["depth"],
  layer: ["layer-norm"],
};

// A paragraph: in how many of all measured settings the claim of an experiment holds, and in which.
export function elsewhere(name: string): string {
  const shares = (MAPPED[name] ?? []).flatMap((claim) => atlas.shares[claim]);
  if (!shares.length) return "";
  const values = Object.fromEntries(shares.map((share, i) => ["abcdef"[i], share]));
  return `\n\n${tt(`${name}.elsewhere`, { settings: atlas.settings.toLocaleString(currentLanguage()), ...values })}`;
}

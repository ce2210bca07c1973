// Codes that a teacher typed, and what the wall makes of them: as the room's `tally` in Python, which
// says why it is done so.

import type { Group, Pooled, Wall } from "../made/room";
import TAILS from "../made/tails.json";
import { QUOTED } from "../parts/happened";
import type { Families } from "../protocol/experiments";
import { meanInterval } from "../protocol/intervals";
import { mean } from "../protocol/numbers";
import { decide } from "../protocol/rule";
import { type Coded, decoded, type Fault, kindOf, RATIOS } from "../room/code";
import { effectOf, intervals } from "./seen";

export const MOST = TAILS.length - 1; // pairs for which an interval is known

export interface Wrong {
  line: number;
  typed: string;
  why: Fault | "other-result" | "many";
}

export interface Typed {
  found: Coded[];
  wrong: Wrong[];
  doubles: number;
}

const runOf = (one: Coded) => [one.experiment, one.pair, one.settings, one.seed].join(" ");

// One code a line, or several with anything between them that is no letter or digit.
function codesIn(line: string): string[] {
  const joined = line.replace(/[^\p{L}\p{N}]/gu, "");
  if (joined.length % 12 === 0) return joined.match(/.{12}/gu) ?? [];
  return line.split(/[,;\t]/).map((part) => part.replace(/[^\p{L}\p{N}]/gu, "")).filter(Boolean);
}

export function read(text: string): Typed {
  const found = new Map<string, Coded>();
  const pairs = new Set<number>();
  const wrong: Wrong[] = [];
  let doubles = 0;
  text.split("\n").forEach((row, i) => {
    for (const typed of codesIn(row)) {
      const one = decoded(typed);
      const say = (why: Wrong["why"]) => wrong.push({ line: i + 1, typed, why });
      if (typeof one === "string") {
        say(one);
        continue;
      }
      const before = found.get(runOf(one));
      if (before && before.value === one.value && before.bound === one.bound) doubles++;
      else if (before) say("other-result");
      else if (!pairs.has(one.pair) && pairs.size >= MOST) say("many");
      else {
        pairs.add(one.pair);
        found.set(runOf(one), one);
      }
    }
  });
  return { found: [...found.values()], wrong, doubles };
}

// Settings of which only a hash is known, as far as they are those that chapters let one choose.
function settingsOf(all: Families, experiment: string): Map<number, string> {
  const before = named.get(experiment);
  if (before) return before;
  const { patches } = all[experiment]!;
  const either = (name: string) => [undefined, ...Object.keys(patches[name] ?? {})];
  const known = new Map<number, string>([[0, "{}"]]);
  for (const data of either("data"))
    for (const init of either("init")) {
      const settings = { ...(data && { data }), ...(init && { init }) };
      const kind = kindOf(all, experiment, settings);
      if (!known.has(kind)) known.set(kind, JSON.stringify(settings));
    }
  named.set(experiment, known);
  return known;
}

const named = new Map<string, Map<number, string>>();
const nameOf = (all: Families, one: Coded) => settingsOf(all, one.experiment).get(one.settings) ?? `{"changed":${one.settings}}`;

export type Found = Pick<Wall, "look" | "effect" | "groups" | "settings" | "dots" | "pooled" | "answer" | "done">;

interface Mean {
  values: number[];
  bounds: Set<string>;
}

// What the wall shows of an experiment; `wanted` are the settings that are pooled.
export function seenOf(all: Families, counted: Coded[], look: string, wanted: string): Found {
  const here = counted.filter((one) => one.experiment === look).map((one) => ({ ...one, set: nameOf(all, one) }));
  const pairsOf = (some: Coded[]) => new Set(some.map((one) => one.pair)).size;
  const groups = [...new Set(here.map((one) => one.set))].map((settings): Group => ({ settings, pairs: pairsOf(here.filter((one) => one.set === settings)), usual: settings === "{}" }));
  groups.sort((a, b) => b.pairs - a.pairs || +b.usual - +a.usual || (a.settings < b.settings ? -1 : 1));
  const settings = groups.some((group) => group.settings === wanted) ? wanted : (groups[0]?.settings ?? "");
  const means = new Map<number, Mean>();
  for (const one of here.filter((each) => each.set === settings)) {
    const of = means.get(one.pair) ?? { values: [], bounds: new Set() };
    means.set(one.pair, of);
    of.values.push(RATIOS.has(look) ? Math.log(one.value) : one.value);
    if (one.bound) of.bounds.add(one.bound);
  }
  const shown = RATIOS.has(look) ? Math.exp : (value: number) => value;
  // Bounds that point both ways bound nothing.
  const known = [...means].filter(([, of]) => of.bounds.size < 2).map(([pair, of]) => ({ pair, runs: of.values.length, value: mean(of.values), bound: [...of.bounds][0] ?? "" }));
  const dots = known.map((one) => ({ ...one, value: shown(one.value) }));
  const done = Object.fromEntries(Object.keys(QUOTED).map((name) => [name, pairsOf(counted.filter((one) => one.experiment === name))]));
  const effect = effectOf(look);
  const pooled = known.length ? together(known, look) : null;
  return { look, effect, groups, settings, dots, pooled, answer: pooled ? answerTo(all, look, pooled) : "", done };
}

// The mean over pairs with its interval. Where a pair's value is a bound, the end on that side is
// not known.
function together(known: { value: number; bound: string }[], look: string): Pooled {
  const ratio = RATIOS.has(look);
  const values = known.map((one) => one.value);
  const kinds = new Set(known.map((one) => one.bound).filter(Boolean));
  const [low, high] = meanInterval(values, TAILS);
  const end = (value: number) => {
    const shown = ratio ? Math.exp(value) : value;
    return Number.isFinite(shown) ? shown : null;
  };
  const bound = kinds.size === 1 ? [...kinds][0]! : "";
  return {
    value: end(mean(values)),
    low: end(kinds.has("at most") ? -Infinity : low),
    high: end(kinds.has("at least") ? Infinity : high),
    unit: ratio ? "times" : "",
    bound,
    pairs: known.length,
  };
}

// The answer of the claim's rule, where that asks for nothing but the one number of a code.
function answerTo(all: Families, look: string, pooled: Pooled): string {
  const { rule } = all[look]!.described.experiment;
  const id = effectOf(look);
  const asked = rule.type === "per-part" ? rule.parts.map((part) => part.effect) : rule.clauses.flatMap((clause) => intervals(clause.when)).map((of) => of.effects);
  if (asked.some((one) => one !== id)) return "";
  const { value, low, high, unit, bound, pairs } = pooled;
  const effect = { label: "", value: value!, low: low ?? -Infinity, high: high ?? Infinity, unit, bound: bound as "", id, seeds: pairs, about: "" };
  return decide(rule, new Map([[id, effect]])).answer;
}

// As the room's: a line for each result. What pairs expect is in no code.
export function table(all: Families, found: Coded[], out: number[]): string {
  const lines = found.map((one) => {
    const settings = nameOf(all, one);
    return [one.pair, out.includes(one.pair) ? "no" : "yes", one.experiment, "", `"${settings.replaceAll('"', '""')}"`, one.seed, effectOf(one.experiment), one.value, one.bound].join(",");
  });
  return ["pair,counted,experiment,expects,settings,seed,effect,value,bound", ...lines, ""].join("\n");
}

// Carries experiments out for tests/lesson/test_protocol_ts.py, which compares: curves are given.

import type { Curve } from "../src/engine/curve";
import type { Dataset } from "../src/engine/dataset";
import { keyOf, type Trial } from "../src/engine/trial";
import { describedOf, families, type Settings, studyOf } from "../src/protocol/experiments";
import { fixed, general } from "../src/protocol/format";
import { meanInterval, medianInterval } from "../src/protocol/intervals";
import { median, quantile, sorted, sum } from "../src/protocol/numbers";
import { datasetsOf } from "../src/protocol/recipes";
import { digits, signed } from "../src/protocol/wording";

type Numbers = (number | null)[];

interface Given {
  key: string;
  trial: Trial;
  curve: { [name: string]: unknown };
}

interface Case {
  chapter: string;
  settings: Settings;
  given: Given[];
  dropped: string[]; // Python's keys of curves that the second verdict is without
  timed: { key: string; each: number | null }[];
}

const plain = (values: Numbers) => Float64Array.from(values, (value) => value ?? NaN);

function curveOf({ trial, curve }: Given): Curve {
  const { probes, ...rest } = curve as { probes?: { [name: string]: unknown } };
  const made = Object.entries(rest).map(([name, value]) => [name, Array.isArray(value) && name !== "step" ? plain(value as Numbers) : value]);
  const read = probes && Object.entries(probes).map(([name, value]) => [name, Array.isArray(value) && name !== "step" ? Float32Array.from(plain(value as Numbers)) : value]);
  return { trial, ...Object.fromEntries(made), ...(read ? { probes: Object.fromEntries(read) } : {}) } as Curve;
}

const all = await families();

function carriedOut({ chapter, settings, given, dropped, timed }: Case): unknown {
  const found = new Map(given.map((one) => [keyOf(one.trial), one]));
  const names = new Map([...found].map(([key, one]) => [key, one.key]));
  const study = studyOf(all, chapter, settings);
  const curves = new Map<string, Curve>();
  const rounds: unknown[] = [];
  for (;;) {
    const round = study.trials(curves);
    const known = round.trials.map((trial) => found.get(keyOf(trial)));
    const unknown = known.indexOf(undefined);
    if (unknown >= 0) return { unknown: round.trials[unknown], rounds };
    rounds.push({ phase: round.phase, later: round.later, keys: known.map((one) => one!.key), shown: study.shown(curves, round.trials) });
    if (!round.trials.length) break;
    for (const one of known) curves.set(keyOf(one!.trial), curveOf(one!));
  }
  const timing = study.timing(curves);
  const times = timed.map(({ each }, i) => ({ trial: timing[i]!, each }));
  const some = new Map([...curves].filter(([key]) => !dropped.includes(names.get(key)!)));
  const made = { described: describedOf(all, chapter, settings), rounds, timing, verdict: study.verdict(curves, times), part: study.verdict(some, []) };
  return JSON.parse(JSON.stringify(made, (name, value: unknown) => (name === "key" ? names.get(value as string) : value)));
}

export function answered(text: string): string {
  const made = (JSON.parse(text) as Case[]).map((one) => {
    try {
      return carriedOut(one);
    } catch (error) {
      return { error: (error as Error).stack };
    }
  });
  return JSON.stringify(made);
}

const ways = [...[1, 2, 3, 6].map((count) => (one: number) => general(one, count)), ...[0, 1, 2, 3].map((places) => (one: number) => fixed(one, places)), digits, signed];

// Numbers as they are written, in every way.
export function numbersWritten(text: string): string {
  return JSON.stringify((JSON.parse(text) as number[]).map((one) => ways.map((way) => way(one))));
}

// What is taken of each list of numbers.
export function statistics(text: string): string {
  const taken = (values: number[]) => [sum(values), median(values), quantile(sorted(values), 0.3), ...meanInterval(values), ...medianInterval(values)];
  return JSON.stringify((JSON.parse(text) as number[][]).map(taken));
}

// All bits of an array in one number.
function bits(values: Float32Array | Int32Array): number {
  return new Uint32Array(values.buffer).reduce((total, one, i) => (total + Math.imul(one, 2 * i + 1)) >>> 0, 0);
}

const TABLES = ["x_train", "y_train", "x_test", "y_test"] as const;

// The data sets that experiments name, from those given.
export async function prepared(text: string): Promise<string> {
  const { given, asked } = JSON.parse(text) as { given: { [name: string]: Dataset }; asked: [string, Settings][] };
  for (const data of Object.values(given)) {
    for (const [name, Kind] of [["x_train", Float32Array], ["x_test", Float32Array], ["y_train", Int32Array], ["y_test", Int32Array]] as const) {
      Object.assign(data, { [name]: Kind.from(data[name]) });
    }
  }
  const made = asked.map(async ([chapter, settings]) => {
    const found = await datasetsOf(describedOf(all, chapter, settings).experiment, (name) => Promise.resolve(given[name]!));
    return [...found].map(([name, data]) => [name, data.name, data.n_train, data.n_test, data.features.length, ...TABLES.map((table) => bits(data[table]))]);
  });
  return JSON.stringify(await Promise.all(made));
}

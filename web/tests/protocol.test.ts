import { expect, test } from "vitest";

import type { Effect } from "../src/protocol/effects";
import { describedOf, families, merged, studyOf } from "../src/protocol/experiments";
import { fixed, general, rateAt } from "../src/protocol/format";
import { compared, times } from "../src/protocol/phrases";
import { decide } from "../src/protocol/rule";
import { amount, listed, signed } from "../src/protocol/wording";

const all = await families();

const effect = (value: number, low: number, high: number, more: Partial<Effect> = {}): Effect => ({
  label: "", value, low, high, unit: "points", bound: "", id: "a", seeds: 5, about: "", ...more,
});

test("numbers are rounded half to even where they lie between two, and by their value elsewhere", () => {
  expect([0.5, 1.5, 2.5, -0.5].map((one) => fixed(one, 0))).toEqual(["0", "2", "2", "-0"]);
  expect([0.125, 0.375, 0.15].map((one) => fixed(one, 2))).toEqual(["0.12", "0.38", "0.15"]);
  expect([1e-5, 0.0001, 100000, 1234565, 0, 1e6].map((one) => general(one))).toEqual(["1e-05", "0.0001", "100000", "1.23456e+06", "0", "1e+06"]);
  expect([-2, -0.5, 0, 0.25].map(rateAt)).toEqual([0.01, 0.316, 1, 1.78]);
});

test("words", () => {
  expect([-0.4, 12.34, 0.0042, NaN, Infinity].map(signed)).toEqual(["−0.4", "12.3", "0", "?", "∞"]);
  expect(listed(["tea", "milk", "rum"], "or")).toBe("tea, milk or rum");
  const { data } = describedOf(all, "race", {});
  expect(amount(data.digits!, 0.9346)).toBe("93.5 %");
  expect(times(effect(0.5, 0.4, 0.8, { unit: "times less time" }))).toBe("2.0 times more time (95 % interval 1.2 to 2.5)");
  expect(compared(effect(-2, -3, -1), "ahead of", "behind", "level with", "dropout")).toBe("2.0 points (95 % interval 1.0 to 3.0) behind dropout");
});

test("a patch changes, adds and takes away", () => {
  expect(merged({ a: 1, b: { c: [1], d: 2 } }, { a: null, b: { c: [2] }, e: { f: 1 } })).toEqual({ b: { c: [2], d: 2 }, e: { f: 1 } });
  expect(merged([{ a: 1, b: 2 }, { c: 3 }, { d: 4 }], { 0: { b: 5 }, 1: null, 2: null })).toEqual([{ a: 1, b: 5 }]);
  expect(merged([{ a: 1 }], { 1: { b: 2 }, 2: { c: 3 } })).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }]);
});

test("too few seeds are undecided", () => {
  const { rule } = describedOf(all, "bench", {}).experiment;
  const found = (seeds: number) => decide(rule, new Map([["ahead/2", effect(2, 1, 3, { id: "ahead/2", seeds })]]));
  expect(found(5).answer).toBe("holds");
  expect(found(4)).toMatchObject({ answer: "cannot tell", reason: "only 4 seeds can be compared, and at least 5 are needed" });
});

test("what a page has not is said by its name", () => {
  expect(() => studyOf(all, "race", { data: "tea" })).toThrow('data is "tea"; a page has digits, cookies, mnist1d');
  expect(() => studyOf(all, "claim", { claim: "smoothness" })).toThrow("no experiment claim smoothness");
  expect(() => studyOf(all, "factory", { amounts: { gold: 2 } })).toThrow('no ingredient "gold"');
});

test("every experiment wants its first round, each trial once, and then has no verdict yet", () => {
  for (const [name, family] of Object.entries(all)) {
    const study = studyOf(all, family.chapter, { claim: family.described.experiment.claim });
    const { trials, phase } = study.trials(new Map());
    const shown = study.shown(new Map(), trials);
    const different = new Set(shown.map((one) => one.key)).size;
    const placed = shown.every((one) => one.phase === phase && one.places.length > 0);
    expect({ name, different, placed }).toEqual({ name, different: trials.length, placed: true });
    expect(study.verdict(new Map(), []).answer).toBe("cannot tell");
  }
});

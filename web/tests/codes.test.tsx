import { render } from "preact";
import { act } from "preact/test-utils";
import { beforeEach, expect, test, vi } from "vitest";

import { Run } from "../src/live/run";
import { memory } from "../src/memory";
import { families } from "../src/protocol/experiments";
import { codeOf, type Coded, decoded, encoded, kindOf, LETTERS, RATIOS } from "../src/room/code";
import { Codes } from "../src/wall/codes";
import { effectOf } from "../src/wall/seen";
import { read, seenOf, table } from "../src/wall/typed";
import { setLanguage } from "../src/words";
import POOLED from "./pooled.json";
import { RECORDED } from "./recorded";

const RACE: Coded = { experiment: "race", pair: 7, seed: 7005, settings: 0, value: 9.37, bound: "" };
const CODE = encoded(RACE);
const bare = (code: string) => code.replaceAll(" ", "");
const all = await families();

beforeEach(() => setLanguage("en"));

test("a code says what was found, whoever reads it", () => {
  expect(CODE).toBe("0G5P 79N7 RRZW"); // whoever changes what this says changes VERSION
  expect(decoded(bare(CODE))).toMatchObject({ experiment: "race", pair: 7, seed: 7005, settings: 0, bound: "" });
});

test("every experiment's number comes back to three digits, at both ends of pairs, runs and settings", () => {
  for (const [experiment, file] of RECORDED) {
    const effect = file.result.verdict.effects.find((one) => one.id === effectOf(experiment))!;
    expect(RATIOS.has(experiment)).toBe(effect.unit.startsWith("times"));
    for (const value of RATIOS.has(experiment) ? [effect.value!, 1, 0.012, 9000] : [effect.value!, 0, -99.99, 100])
      for (const [pair, seed, settings, bound] of [[1, 1000, 0, ""], [500, 500_995, 893, "at most"]] as const) {
        const found = decoded(bare(encoded({ experiment, pair, seed, settings, value, bound }))) as Coded;
        expect(found).toMatchObject({ experiment, pair, seed, settings, bound });
        expect(Math.abs(found.value - value)).toBeLessThan(RATIOS.has(experiment) ? 2e-4 * value : 0.003);
      }
  }
});

test.each<Partial<Coded>>([{ pair: 0, seed: 0 }, { pair: 501, seed: 501_000 }, { seed: 8005 }, { value: 1e5 }, { value: NaN }, { experiment: "bench" }])("what a code cannot say has none: %o", (other) => {
  expect(encoded({ ...RACE, ...other })).toBe("");
});

test("one wrong character is found, each in every place, and so are two and any that change places", () => {
  const text = bare(CODE);
  const with_ = (i: number, letter: string, of = text) => of.slice(0, i) + letter + of.slice(i + 1);
  for (let i = 0; i < 12; i++) {
    for (const letter of LETTERS) {
      if (letter === text[i]) continue;
      const one = with_(i, letter);
      expect(decoded(one)).toBe("check");
      const j = (i + 5) % 12;
      for (const other of LETTERS) if (other !== text[j]) expect(decoded(with_(j, other, one))).toBe("check");
    }
    for (let j = 0; j < i; j++) if (text[i] !== text[j]) expect(decoded(with_(i, text[j]!, with_(j, text[i]!)))).toBe("check");
  }
});

test("codes are read as people type them; wrong ones are named by line, doubles ignored", () => {
  const second = encoded({ ...RACE, pair: 8, seed: 8000 });
  const typed = [CODE, CODE.toLowerCase().replaceAll(" ", "-"), "", `${second}, ${CODE} `, bare(CODE).replaceAll("0", "o"), `${CODE} ${second}`, `2${CODE.slice(1)}`, "0A8", "ÄÖÜ 0123 4567", encoded({ ...RACE, value: 3 })].join("\r\n");
  const { found, wrong, doubles } = read(typed);
  expect(found.map((one) => one.pair)).toEqual([7, 8]);
  expect(doubles).toBe(5);
  expect(wrong.map(({ line, why }) => [line, why])).toEqual([[7, "check"], [8, "length"], [9, "letter"], [10, "other-result"]]);
});

test("nonsense is no code, and breaks nothing", () => {
  const parts = ["", "ZZZZ ZZZZ ZZZZ", "𝟘".repeat(12), "\0", "x".repeat(1e5), '"; alert(1)', ...Array.from({ length: 300 }, (_, i) => bare(CODE).split("").map((c, k) => LETTERS[(LETTERS.indexOf(c) + i * (k + 3)) % 32]).join(""))];
  for (const one of parts) {
    const { found } = read(one);
    expect(found.every((each) => each.value !== null && each.pair >= 1 && each.pair <= 500)).toBe(true);
  }
  expect(decoded("ZZZZZZZZZZ" + "00")).toBe("check");
});

test("a pair is one answer; those left out, and those with other settings, are not in it", () => {
  const he = kindOf(all, "race", { data: "digits", init: "he" });
  const value = (pair: number, seed: number, v: number, more = {}) => ({ ...RACE, pair, seed, value: v, ...more });
  const told = [value(1, 1000, 2), value(1, 1005, 8), value(2, 2000, 4), value(3, 3000, 5, { settings: he }), value(4, 4000, 6, { settings: 17 })];
  const seen = seenOf(all, told, "race", "");
  expect(seen.dots.map(({ pair, runs, value: v }) => [pair, runs, +v!.toFixed(9)])).toEqual([[1, 2, 4], [2, 1, 4]]);
  expect(seen.pooled).toMatchObject({ pairs: 2, unit: "times" });
  expect(seen.groups).toEqual([{ settings: "{}", pairs: 2, usual: true }, { settings: '{"changed":17}', pairs: 1, usual: false }, { settings: '{"init":"he"}', pairs: 1, usual: false }]);
  expect(seenOf(all, told, "race", '{"init":"he"}').dots.map((dot) => dot.pair)).toEqual([3]);
  expect(seen.answer).toBe(""); // its rule asks for seconds, too
  expect(seenOf(all, [], "race", "")).toMatchObject({ dots: [], pooled: null, groups: [] });
  expect(table(all, told, [2]).split("\n").slice(0, 4)).toEqual([
    "pair,counted,experiment,expects,settings,seed,effect,value,bound",
    '1,yes,race,,"{}",1000,steps/best,2,',
    '1,yes,race,,"{}",1005,steps/best,8,',
    '2,no,race,,"{}",2000,steps/best,4,',
  ]);
});

test.each(POOLED.map((one) => [`${one.experiment}, ${one.dots.length} pairs`, one] as const))("what is typed is pooled as the room pools it: %s", (_name, { experiment, found, dots, pooled, answer }) => {
  const seen = seenOf(all, found.map((one) => ({ ...one, experiment, settings: 0 }) as Coded), experiment, "");
  const plain = (of: object | null) => of && JSON.parse(JSON.stringify(of, (_key, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(9)) : value)));
  expect(plain(seen.dots)).toEqual(plain(dots));
  expect(plain({ ...seen.pooled, unit: "" })).toEqual(plain({ ...pooled, unit: "" }));
  expect(seen.answer).toBe(answer);
});

test("settings are what they describe: left out or as they are at first, it is the same", () => {
  for (const [name, file] of RECORDED) {
    expect(kindOf(all, name, file.settings)).toBe(0);
    expect(kindOf(all, name, { ...file.settings, seed: 7000 })).toBe(0);
  }
  const kinds = [{ init: "he" }, { data: "cookies" }, { data: "cookies", init: "he" }].map((one) => kindOf(all, "race", one));
  expect(new Set([0, ...kinds]).size).toBe(4);
  expect(kindOf(all, "factory", { amounts: { sugar_cups: 8 }, rate: 0.1 })).toBeGreaterThan(0);
});

test("a finished run on the pair's own seeds has a code; recorded and others' have none", async () => {
  const run = (seed: number, more: object = {}) => {
    const made = new Run(1, "race", { data: "digits", init: "torch", seed, seeds: 5 });
    const verdict = { effects: [{ id: "steps/best", value: 9.37, bound: "" }] };
    return Object.assign(made, { status: "done", result: { claim: "speed", statement: {}, verdict }, ...more }) as Run;
  };
  expect(await codeOf("race", run(7005), 7)).toBe(CODE);
  expect(await codeOf("race", run(7005, { origin: { of: "kept" } }), 7)).toBe(CODE);
  expect(await codeOf("race", run(7005, { origin: { of: "recorded" } }), 7)).toBe("");
  expect(await codeOf("race", run(0), 7)).toBe("");
  expect(await codeOf("race", run(7005, { result: null }), 7)).toBe("");
});

test.each(["en", "de"] as const)("the teacher's view in %s: typed codes, wrong ones, dots, and back after a reload", async (language) => {
  await setLanguage(language);
  vi.spyOn(console, "error");
  memory.put("knobs", "codes", [1, 2, 3, 4, 5].map((pair) => encoded({ ...RACE, pair, seed: 1000 * pair, value: 5 + pair })).join("\n") + "\n2123 4567 89AB");
  const box = document.createElement("div");
  act(() => render(<Codes />, box));
  await vi.waitFor(() => expect(box.querySelectorAll(".dot")).toHaveLength(5));
  expect(box.querySelectorAll(".wrong li")).toHaveLength(1);
  expect(box.textContent).toContain("95");
  expect(box.innerHTML).not.toMatch(/NaN|undefined|\{\w+\}/);
  expect(console.error).not.toHaveBeenCalled();
  act(() => render(null, box));
});

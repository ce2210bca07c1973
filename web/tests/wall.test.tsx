import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { PREDICTIONS } from "../src/parts/predictions";
import { families } from "../src/protocol/experiments";
import { setLanguage } from "../src/words";
import { Dots, Votes } from "../src/wall/chart";
import { secretOf } from "../src/wall/link";
import { claimed, effectOf, placed, settingsName, together } from "../src/wall/seen";

beforeEach(() => setLanguage("en"));
afterEach(() => vi.restoreAllMocks());

const dot = (pair: number, value: number | null, bound = "") => ({ pair, runs: 1, value, bound });
const pooled = (value: number | null, low: number | null, high: number | null, more = {}) => ({ value, low, high, unit: "times fewer steps", bound: "", pairs: 7, ...more });

test("every experiment has an effect on the wall, and a rule that compares it or leads to it", async () => {
  const all = await families();
  const marks = Object.fromEntries(Object.keys(PREDICTIONS).map((name) => [name, claimed(all[name]!.described.experiment.rule, effectOf(name))]));
  expect(marks).toMatchObject({ race: [3, 5], factory: [2], rates: [0.5], "break.knobs": [1], layer: [2], place: [1] });
  for (const found of Object.values(marks)) expect(found.length).toBeLessThan(4);
});

test("no dot lies on another, and each lies where its number is", () => {
  const dots = Array.from({ length: 200 }, (_, i) => dot(i + 1, 5 + Math.sin(i)));
  const found = placed([...dots, dot(999, null)], (value) => 100 * value, 20);
  expect(found).toHaveLength(200);
  for (const a of found) {
    expect(a.x).toBeCloseTo(100 * dots[a.pair - 1]!.value!);
    for (const b of found) if (a !== b && a.row === b.row) expect(Math.abs(a.x - b.x)).toBeGreaterThanOrEqual(20 - 1e-6);
  }
});

test.each<[ReturnType<typeof pooled>, string]>([
  [pooled(9.37, 8.1, 10.94), "9.4 times fewer steps (95 % interval 8.1 to 10.9)"],
  [pooled(9.37, 8.1, 10.94, { pairs: 4 }), "9.4 times fewer steps"],
  [pooled(9.37, 8.1, null, { bound: "at least" }), "at least 9.4 times fewer steps (95 % interval from 8.1 on)"],
  [pooled(9.37, 0, 10, { bound: "at most" }), "at most 9.4 times fewer steps (95 % interval up to 10)"],
  [pooled(9.37, null, null), "9.4 times fewer steps (no interval: some pairs give a lower bound, some an upper one)"],
])("what all pairs come to is said as far as it is known %#", (found, says) => {
  expect(together("race", found)).toBe(says);
});

test("of values that bound it on both sides a ratio has no interval, even though it cannot be below 0", () => {
  expect(together("race", pooled(9, 0, null))).toContain("no interval");
});

test.each(["en", "de"] as const)("settings have names in %s that no device can choose", async (language) => {
  await setLanguage(language);
  const name = (settings: object, usual = false) => settingsName({ settings: JSON.stringify(settings), usual });
  expect(name({ data: "digits", init: "he" })).toMatch(/, /);
  expect(name({ amounts: { sugar_cups: 8 }, rate: 0.1 })).not.toContain("sugar");
  expect(name({ data: "<b>" })).not.toContain("<b>");
});

test("options that nobody offers are not shown", () => {
  const box = document.createElement("div");
  act(() => render(<Votes experiment="race" votes={{ ten: 3, "a-word": 40 }} />, box));
  expect(box.textContent).not.toContain("40");
  expect([...box.querySelectorAll("strong")].map((one) => one.textContent)).toEqual(["0", "0", "0", "3"]);
});

test.each([
  ["a few", [dot(1, 4), dot(2, 9), dot(3, 6, "at least")], pooled(6, null, null, { pairs: 3 })],
  ["one", [dot(1, 4)], null],
  ["all alike", [1, 2, 3, 4, 5].map((n) => dot(n, 1)), pooled(1, 1, 1, { pairs: 5 })],
  ["points", [1, 2, 3, 4, 5].map((n) => dot(n, n - 3)), pooled(0, -2, 2, { unit: "percentage points", pairs: 5 })],
])("%s can be drawn", (_name, dots, found) => {
  const box = document.createElement("div");
  act(() => render(<Dots dots={dots} pooled={found} marks={[3, 5]} says="" touch={() => {}} />, box));
  expect(box.querySelectorAll(".dot")).toHaveLength(dots.length);
  expect(box.innerHTML).not.toMatch(/NaN|Infinity|undefined/);
});

test("the teacher's secret leaves the address", () => {
  history.replaceState(null, "", "/wall#the-secret");
  expect(secretOf(location, sessionStorage)).toBe("the-secret");
  expect(location.href).not.toContain("the-secret");
  expect(secretOf(location, sessionStorage)).toBe("the-secret"); // loaded anew
});

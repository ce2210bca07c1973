// Numbers and axes: what is written, and where it stands.

import { afterEach, describe, expect, it, vi } from "vitest";

import { digits, extent, power, scale, shown } from "../src/charts/scale";
import { LETTER, wrapped } from "../src/charts/wrapped";
import { setLanguage } from "../src/words";

async function inGerman(): Promise<void> {
  vi.stubGlobal("document", { documentElement: {}, title: "" });
  await setLanguage("de");
}

afterEach(async () => {
  vi.stubGlobal("document", { documentElement: {}, title: "" });
  await setLanguage("en");
});

describe("numbers as they are shown", () => {
  it.each([
    [0, "0"], [1234.5, "1200"], [0.0123, "0.012"], [-2.5, "−2.5"], [1e5, "10⁵"], [3.2e-4, "3·10⁻⁴"],
    [Number.POSITIVE_INFINITY, "∞"], [Number.NEGATIVE_INFINITY, "−∞"], [Number.NaN, "–"], [null, "–"], [undefined, "–"],
  ])("%s is %s", (value, text) => expect(digits(value)).toBe(text));

  it.each([[-3, "0.001"], [3, "1000"], [4, "10⁴"], [-12, "10⁻¹²"]])("ten to the %i is %s", (exponent, text) =>
    expect(power(exponent)).toBe(text));

  it("writes shares as percent, small ones with a decimal", () => {
    expect([0, 0.05, 0.057, 0.5, 1].map((v) => shown(v, true))).toEqual(["0 %", "5 %", "5.7 %", "50 %", "100 %"]);
  });

  it("writes a decimal comma in German", async () => {
    await inGerman();
    expect(digits(-2.5)).toBe("−2,5");
  });
});

describe("an axis", () => {
  it("puts its ends where they belong, linear and in decades", () => {
    const linear = scale(10, 20, 100, 300);
    expect([linear(10), linear(15), linear(20)]).toEqual([100, 200, 300]);
    const decades = scale(0.01, 100, 0, 400, { log: true });
    expect([0.01, 0.1, 1, 100].map((v) => Math.round(decades(v)))).toEqual([0, 100, 200, 400]);
  });

  it.each([[0, 1], [0.83, 0.97], [-3, 4], [0, 12345], [1e-9, 7e-9]])("has even ticks inside %d to %d", (low, high) => {
    const { ticks } = scale(low, high, 0, 100);
    expect(ticks.length).toBeGreaterThanOrEqual(2);
    const apart = ticks.slice(1).map((tick, i) => tick.value - ticks[i]!.value);
    for (const one of apart) expect(one).toBeCloseTo(apart[0]!, 12);
    for (const tick of ticks) {
      expect(tick.value).toBeGreaterThanOrEqual(low - 1e-9);
      expect(tick.value).toBeLessThanOrEqual(high * (1 + 1e-9));
    }
  });

  it("calls a tick of rounding nought", () => {
    expect(scale(-0.3, 0.3, 0, 1).ticks.map((tick) => tick.label)).toContain("0");
  });

  it("leaves decades out where there are many", () => {
    const { ticks } = scale(1e-12, 1, 0, 1, { log: true, wanted: 4 });
    expect(ticks.length).toBeLessThanOrEqual(5);
  });
});

describe("the range of values", () => {
  it("leaves out what is missing, infinite or without a logarithm", () => {
    expect(extent([null, 2, Number.NaN, 5, Number.POSITIVE_INFINITY])).toEqual([2, 5]);
    expect(extent([-1, 0, 2, 5], true)).toEqual([2, 5]);
  });

  it("gives room to one value, and something to none", () => {
    expect(extent([3, 3])).toEqual([2.5, 3.5]);
    expect(extent([8], true)).toEqual([4, 16]);
    expect(extent([])).toEqual([0, 1]);
    expect(extent([], true)).toEqual([1, 10]);
  });
});

describe("wrapping", () => {
  it("breaks at spaces, and never a word", () => {
    expect(wrapped("batch norm after", 11 * LETTER)).toEqual(["batch norm", "after"]);
    expect(wrapped("standardization", 3)).toEqual(["standardization"]);
  });
});

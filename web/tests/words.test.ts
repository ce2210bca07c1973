// What Python says, in the words of the page; and what happened, in numbers from a verdict.

import { describe, expect, it } from "vitest";

import type { Effect, FigureShown, Verdict } from "../src/charts/exhibits";
import { factsOf, happened } from "../src/parts/happened";
import { t, tt, written } from "../src/words";
import { said, slug } from "../src/words/said";

describe("words", () => {
  it("fills in what it is given and leaves the rest", () => {
    expect(tt("said.layer-#", { a: -3 })).toBe("layer −3");
    expect(tt("said.layer-#")).toBe("layer {a}");
    expect(t("bound.at-least")).toBe("at least");
    expect(written(-0.5)).toBe("−0.5");
  });

  it("knows a name by its words, whatever its numbers", () => {
    expect(slug("Layers of 64 units")).toBe(slug("layers of 0.5 units"));
    expect(slug("Layers of 64 units")).toBe("layers-of-#-units");
    expect(said("batch norm, layer 5")).toBe("batch norm, layer 5");
    expect(said("1e-05")).toBe("10⁻⁵");
    expect(said("something nobody has named")).toBe("something nobody has named");
    expect(said("")).toBe("");
  });
});

function effect(label: string, value: number | null, bound = ""): Effect {
  return { label, value, low: value, high: value, unit: "", bound };
}

function figure(changes: Partial<FigureShown>): FigureShown {
  const axis = { label: "", log: false, percent: false, names: [] };
  return { kind: "lines", title: "", alt: "", x: axis, y: axis, series: [], marks: [], ...changes };
}

function verdict(changes: Partial<Verdict>): Verdict {
  return { answer: "holds", reason: "", sentence: "", effects: [], measured_on: "", notes: [], figures: [], tables: [], change: "", ...changes } as Verdict;
}

describe("what happened", () => {
  it("quotes the effects in their order where no others are named", () => {
    const found = factsOf("factory", verdict({ effects: [effect("a", 1), effect("b", null)] }));
    expect(found).toEqual({ a: 1, b: null, c: null, bound: "" });
  });

  it("claims over several only the smallest lead, and nothing where one is missing", () => {
    const over = (other: string, value: number | null) => effect(`before the activation over ${other}, best against best`, value);
    const all = [effect("after over none", 9), over("after", 3), over("on the input", 2)];
    expect(factsOf("place", verdict({ effects: all })).a).toBe(2);
    expect(factsOf("place", verdict({ effects: [...all, over("none", null)] })).a).toBeNull();
  });

  it("counts the learning rates that reach the goal", () => {
    const series = (y: (number | null)[]) => ({ name: "", x: y.map((_, i) => i), y, low: [], high: [] });
    const strips = figure({
      kind: "strips", marks: [{ label: "goal", value: 0.9, axis: "y" }],
      series: [series([0.2, 0.95, null, 0.5]), series([0.9, 0.95, 0.99, 0.1])],
    });
    const found = factsOf("rates", verdict({ effects: [effect("wider", 2)], figures: [strips] }));
    expect(found).toMatchObject({ none: 1, batch: 3, all: 4, times: 100 });
  });

  it("says what there are words for, with the numbers in it", () => {
    const found = factsOf("race", verdict({ effects: [effect("steps", 9.61, "at least"), effect("seconds", 6.2)] }));
    expect(happened("race", "holds", found)).toContain("at least **9.6 times fewer steps**");
    expect(happened("race", "cannot tell", found)).toContain("do not settle it");
    expect(happened("no such chapter", "holds", found)).toBe("");
  });
});

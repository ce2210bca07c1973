import { expect, test } from "vitest";

import type { Effect, Figure, Recorded, Result } from "../src/made/messages";
import { judge } from "../src/parts/choice";
import { PREDICTIONS, rightOf } from "../src/parts/predictions";
import en from "../src/words/en.json";
import { RECORDED } from "./recorded";

const recorded = (name: string): Recorded => RECORDED.find(([each]) => each === name)![1];

// The recorded result of an experiment with other effects: [value, low, high] by id.
function changed(name: string, effects: { [id: string]: [number | null, number | null, number | null] }, more: Partial<Effect> = {}): Result {
  const { result } = recorded(name);
  const verdict = {
    ...result.verdict,
    effects: result.verdict.effects.map((effect) => {
      const [value, low, high] = effects[effect.id] ?? [effect.value, effect.low, effect.high];
      return effect.id in effects ? { ...effect, ...more, value, low, high } : effect;
    }),
  };
  return { ...result, verdict } as Result;
}

function answered(name: string, answer: Result["verdict"]["answer"]): Result {
  const { result } = recorded(name);
  return { ...result, verdict: { ...result.verdict, answer } };
}

// The tower's result with other tallest towers: without and with batch norm, plain and with a path.
function built(none: number, batch: number, corridor: number, path: number): Result {
  const { result } = recorded("tower");
  const heights: { [series: string]: { [kind: string]: number } } = { none: { plain: none, residual: corridor }, batch: { plain: batch, residual: path } };
  const figures = result.verdict.figures.map((figure): Figure =>
    figure.id === "deepest"
      ? { ...figure, series: figure.series.map((one) => ({ ...one, y: figure.x.ids.map((id) => heights[one.id]?.[id.split("-")[0]!] ?? 1) })) }
      : figure,
  );
  return { ...result, verdict: { ...result.verdict, figures } };
}

test("every experiment asks, in words, and the recorded run answers with one of the options", () => {
  expect(Object.keys(PREDICTIONS).sort()).toEqual(RECORDED.map(([name]) => name).sort());
  for (const [name, { options, right }] of Object.entries(PREDICTIONS)) {
    for (const key of [`${name}.predict`, ...options.map((option) => `${name}.predict.${option}`)]) expect(en).toHaveProperty([key]);
    const words = Object.keys(en).filter((key) => key.startsWith(`${name}.predict.`));
    expect(words).toHaveLength(options.length);
    const found = right(recorded(name).result);
    expect(found).not.toHaveLength(0);
    expect(options).toEqual(expect.arrayContaining(found));
  }
});

test.each<[string, Result, string[]]>([
  ["race", changed("race", { "steps/best": [0.7, 0.5, 0.9] }), ["same"]],
  ["race", changed("race", { "steps/best": [2.99, 1, 9] }), ["two"]],
  ["race", changed("race", { "steps/best": [4, 3, 5] }), ["four"]],
  ["race", changed("race", { "steps/best": [9, 7, 11] }), ["ten"]],
  ["race", changed("race", { "steps/best": [4, 3, null] }, { bound: "at least" }), ["four", "ten"]],
  ["race", changed("race", { "steps/best": [4, 3, null] }, { bound: "at most" }), []],
  ["race", changed("race", { "steps/best": [null, null, null] }), []],
  ["rates", changed("rates", { wider: [0, 0, 0] }), ["same"]],
  ["rates", changed("rates", { wider: [0.5, 0, 1] }), ["some"]],
  ["rates", changed("rates", { wider: [2.5, 2, 3] }), ["much"]],
  ["factory", changed("factory", { drift: [3, 1.5, 6] }), ["drift"]],
  ["factory", changed("factory", { drift: [3, 0.5, 6] }), ["only-first"]],
  ["factory", changed("factory", { drift: [0.4, 0.2, 0.9] }), ["more"]],
  ["factory", changed("factory", { drift: [null, null, null] }), []],
  ["place", changed("place", { "gain/raw/best/before/after": [1, 0.5, 2] }), ["before"]],
  ["place", changed("place", { "gain/raw/best/before/after": [-1, -2, -0.5] }), ["after"]],
  ["place", changed("place", { "gain/raw/best/before/after": [-0.1, -1, 1] }), ["same"]],
  ["place", changed("place", { "gain/raw/best/before/input": [-2, -3, -1] }), ["input"]],
  ["place", changed("place", { "gain/raw/best/before/input": [0.1, -1, 1] }), ["before", "input"]],
  ["layer", changed("layer", { trained: [-2, -3, -1] }), ["batch"]],
  ["layer", changed("layer", { trained: [1, -3, 4] }), ["same"]],
  ["layer.stories", changed("layer.stories", { "gain/arms/best/layer/none": [1, 0.5, 2] }), ["layer"]],
  ["layer.stories", changed("layer.stories", { "gain/arms/best/layer/none": [1, -1, 2] }), []],
  ["layer.stories", changed("layer.stories", { "gain/arms/best/layer/batch": [-9, -10, -8] }), ["batch"]],
  ["break.eval", changed("break.eval", { "cost/1": [-3, -4, -2] }), ["none"]],
  ["break.eps", answered("break.eps", "does not hold"), ["none"]],
  ["break.eps", answered("break.eps", "cannot tell"), []],
  ["tower", built(20, 10, 10, 10), ["fails"]],
  ["tower", built(10, 20, 10, 50), ["both"]],
  ["tower", built(10, 50, 50, 100), ["alone", "with-path"]],
  ["tower", built(50, 50, 50, 100), ["any"]],
])("%s is judged by its numbers %#", (name, result, right) => {
  expect(rightOf(name, result)).toEqual(right);
  for (const option of PREDICTIONS[name]!.options) {
    expect(judge(name, option, result)).toBe(right.length ? (right.includes(option) ? "right" : "wrong") : "open");
  }
});

test("where the runs settle nothing, nobody is right or wrong; nor with an option of another version", () => {
  for (const [name, { options }] of Object.entries(PREDICTIONS)) {
    for (const option of options) expect(judge(name, option, answered(name, "cannot tell"))).toBe("open");
    expect(judge(name, "of-old", recorded(name).result)).toBe("open");
  }
});

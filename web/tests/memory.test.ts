import { expect, test } from "vitest";

import { sound } from "../src/memory";

test.each([null, "", "{", "null", "[]", "7", '{"visited": {}, "results": [1], "level": null, "answers": "x"}'])("what was kept and cannot be read is left: %s", (text) => {
  const kept = sound(text);
  expect(kept.visited).toEqual([]);
  expect(kept.results).toEqual({});
  expect(kept.level).toBe("cookie");
});

test("results of another version go, all else stays", () => {
  const whole = { result: { verdict: { figures: [] } }, facts: {}, trials: [] };
  const kept = sound(JSON.stringify({ predictions: { race: "ten" }, results: { race: { answer: "holds" }, rates: whole, tower: null } }));
  expect(kept.predictions).toEqual({ race: "ten" });
  expect(Object.keys(kept.results)).toEqual(["rates"]);
});

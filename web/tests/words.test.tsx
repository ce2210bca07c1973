import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Run } from "../src/live/run";
import type { Recorded } from "../src/made/messages";
import { VerdictCard } from "../src/parts/experiment";
import atlas from "../src/made/atlas.json";
import { elsewhere, factsOf, happened, headline, QUOTED } from "../src/parts/happened";
import { setLanguage, type Language } from "../src/words";
import { named } from "../src/words/named";
import { RECORDED } from "./recorded";

const LANGUAGES: Language[] = ["en", "de"];
const CASES = RECORDED.flatMap(([name, file]) => LANGUAGES.map((language) => ({ name, file, language })));

// What is no prose: ids, and values out of a few. Everything else that is text may be reworded.
const IDS = new Set(["id", "ids", "kind", "answer", "bound", "axis", "series", "claim", "keys", "key", "phase", "block", "cell", "at"]);

function reworded<T>(value: T, key = ""): T {
  if (typeof value === "string") return (IDS.has(key) ? value : value && "Quite other words, 1e-05: 7") as T;
  if (Array.isArray(value)) return value.map((item) => reworded(item, key === "series" ? "" : key)) as T;
  if (value === null || typeof value !== "object" || key === "cell") return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, reworded(item, name)])) as T;
}

function drawn(name: string, file: Recorded): string {
  const box = document.createElement("div");
  const run = Run.of(name, file, { of: "recorded", when: "", machine: "" });
  act(() => render(<VerdictCard run={run} name={name} />, box));
  box.querySelectorAll(".behind").forEach((details) => details.remove()); // the report's own English
  const html = box.innerHTML;
  act(() => render(null, box));
  return html;
}

beforeEach(() => void vi.spyOn(console, "error"));
afterEach(() => vi.restoreAllMocks());

test.each(CASES)("$name has all its words in $language", async ({ name, file, language }) => {
  await setLanguage(language);
  const html = drawn(name, file);
  expect(console.error).not.toHaveBeenCalled();
  expect(html).toContain("<svg");
  expect(html).not.toMatch(/\{\w+\}|undefined|NaN/);
});

test.each(CASES)("$name says and shows the same in $language however Python words it", async ({ name, file, language }) => {
  await setLanguage(language);
  const other = { ...file, result: reworded(file.result) };
  expect(JSON.stringify(other)).not.toBe(JSON.stringify(file));
  expect(drawn(name, other)).toBe(drawn(name, file));
  expect(factsOf(name, other.result)).toEqual(factsOf(name, file.result));
});

test.each(CASES)("$name has a sentence with its numbers for every answer in $language", async ({ name, file, language }) => {
  await setLanguage(language);
  const facts = factsOf(name, file.result);
  for (const answer of ["holds", "holds in part", "does not hold", "cannot tell"]) {
    const said = happened(name, answer, facts);
    expect(said.length).toBeGreaterThan(20);
    expect(said.replace("3–5", "")).not.toMatch(/[{}?–]/);
  }
  expect(headline(name, facts)).toMatch(/^\D*\d.*\p{L}/u);
  expect(console.error).not.toHaveBeenCalled();
});

test.each(["en", "de"] as const)("where a claim holds is said with the shares of the atlas in %s", async (language) => {
  await setLanguage(language);
  const { speed, "batch-size": slower } = atlas.shares;
  const numbers = (text: string) => (text.match(/(?<=\D)\d+(?= (of|von) 100)/g) ?? []).map(Number);
  expect(numbers(elsewhere("race"))).toEqual([...speed, slower[0]]);
  expect(elsewhere("race")).toMatch(/\d[.,]\d{3} /);
  for (const name of ["race", "rates", "tower", "layer"]) expect(elsewhere(name)).not.toMatch(/[{}]|undefined/);
  expect(elsewhere("factory")).toBe("");
});

test.each(RECORDED)("the effects that %s quotes are there", (name, file) => {
  const ids = new Set(file.result.verdict.effects.map((effect) => effect.id));
  for (const id of QUOTED[name]!.flat()) expect(ids).toContain(id);
});

test("ids are told apart at their slashes; numbers are themselves; what has no words says so", async () => {
  await setLanguage("de");
  expect(named("depth", "none/plain-he")).toBe("ohne Normalisierung, einfach, Start nach He");
  expect(named("gradients", "batch/layer=5")).toBe("Batch-Norm, Schicht 5");
  expect(named("epsilon", "1e-05")).toBe("10⁻⁵");
  expect(named("any", "0.5")).toBe("0,5");
  expect(console.error).not.toHaveBeenCalled();
  expect(named("any", "nowhere/to/be-found", "as Python says")).toBe("as Python says");
  expect(console.error).toHaveBeenCalledWith("missing words: name.any.nowhere/to/be-found");
});

import { expect, test } from "vitest";

import { CHAPTERS } from "../src/chapters";
import { atLevel, GLOSSARY, marker, meaning } from "../src/parts/glossary";
import { type Language, LANGUAGES, has, setLanguage } from "../src/words";

const PARTS = ["story", "touch", "experiment", "explain"];

function marked(id: string, level: string): string[] {
  const mark = marker();
  const keys = PARTS.map((part) => `${id}.${part}`).filter((key) => has(key) || has(`${key}.${level}`));
  return keys.map((key) => mark(atLevel(key, level)));
}

test("a word is marked where it is first said, and neither in a name nor within other marks", () => {
  const mark = marker();
  expect(mark("The *seed* and `seeds`: one seed, a second seed.")).toBe("The *seed* and `seeds`: one ~seed|seed~, a second seed.");
  expect(mark("Seeds again; batch norm, minibatch, then a batch.")).toBe("Seeds again; batch norm, minibatch, then a ~batch|batch~.");
});

test("another chapter begins anew, and so does the same one drawn again", () => {
  expect(marker()("Epsilon")).toBe("~Epsilon|epsilon~");
  expect(marker()("Epsilon")).toBe("~Epsilon|epsilon~");
});

test.each(Object.keys(LANGUAGES) as Language[])("in %s every entry is met in the lesson, once a chapter", async (code) => {
  await setLanguage(code);
  const met = new Set<string>();
  for (const { id } of CHAPTERS) {
    for (const level of ["cookie", "maths"]) {
      const words = marked(id, level).flatMap((text) => [...text.matchAll(/~[^~|]+\|(\w+)~/g)].map((found) => found[1]!));
      expect(new Set(words).size).toBe(words.length);
      words.forEach((word) => met.add(word));
    }
  }
  expect([...met].sort()).toEqual([...GLOSSARY].sort());
  for (const word of GLOSSARY) expect(meaning(word)).toMatch(/^\p{L}.{10,}/u);
  await setLanguage("en");
});

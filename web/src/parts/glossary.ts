// Words of the field that a text uses: each has its meaning where a chapter first says it.

import { has, tt } from "../words";

// The marks within a text: **bold**, *slanted*, `code`, $maths$ and ~a word|its entry in the glossary~.
export const PIECES = /(\*\*[^*]+\*\*|\*[^*]+\*|`[^`]+`|\$[^$]+\$|~[^~]+~)/;

export const GLOSSARY = ["network", "layer", "batch", "mean", "spread", "normalize", "gamma", "rate", "seed", "epsilon", "gradient", "activation"] as const;

// "forms = meaning" of the words; the forms are a pattern.
function entry(word: string): [string, string] {
  const [forms, meaning] = tt(`word.${word}`).split(" = ");
  return [forms!, meaning!];
}

export function meaning(word: string): string {
  return entry(word)[1];
}

// The passage at the reading level that is chosen; one without levels is for both.
export function atLevel(key: string, level: string): string {
  return tt(has(`${key}.${level}`) ? `${key}.${level}` : key);
}

// Gives a chapter's passages, in their order, with ~word|its entry~ where each is first said. What
// stands between other marks is left: **bold** and *slanted* words are explained there and then.
export function marker(): (text: string) => string {
  const left = new Set<string>(GLOSSARY);
  return (text) => {
    for (const word of left) {
      const pattern = new RegExp(`(?<![\\p{L}\\p{N}-])(?:${entry(word)[0]})(?![\\p{L}\\p{N}])`, "iu");
      const marked = text
        .split(PIECES)
        .map((piece, i) => (i % 2 || !left.has(word) ? piece : piece.replace(pattern, (form) => (left.delete(word), `~${form}|${word}~`))));
      text = marked.join("");
    }
    return text;
  };
}

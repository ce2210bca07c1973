// Words with a little structure: paragraphs, and the marks of `PIECES` within them.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { useMemory } from "../memory";
import { t, type Key } from "../words";
import { atLevel, meaning, PIECES } from "./glossary";

// A word that says what it means when it is asked.
function Word({ form, word }: { form: string; word: string }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="word" aria-expanded={open} onClick={() => setOpen(!open)}>{form}</button>
      {open && <span class="meaning"> ({meaning(word)})</span>}
    </>
  );
}

export function inline(text: string): ComponentChildren[] {
  return text.split(PIECES).map((piece) => {
    if (piece.startsWith("**")) return <strong>{piece.slice(2, -2)}</strong>;
    if (piece.startsWith("*") && piece.length > 2) return <em>{piece.slice(1, -1)}</em>;
    if (piece.startsWith("`")) return <code>{piece.slice(1, -1)}</code>;
    if (piece.startsWith("~")) {
      const [form, word] = piece.slice(1, -1).split("|") as [string, string];
      return <Word key={word} form={form} word={word} />;
    }
    if (piece.startsWith("$")) return <span class="maths">{maths(piece.slice(1, -1))}</span>;
    return piece;
  });
}

// A formula: x_i and x_(row) get their index lowered.
function maths(text: string): ComponentChildren[] {
  return text.split(/(_\(\w+\)|_\w)/).map((piece) => (piece.startsWith("_") ? <sub>{piece.replace(/[_()]/g, "")}</sub> : piece));
}

export function Text({ words }: { words: string }) {
  return (
    <>
      {words.split("\n\n").map((paragraph, i) =>
        paragraph.startsWith("- ") ? (
          <ul key={i}>{paragraph.split("\n").map((line) => <li key={line}>{inline(line.slice(2))}</li>)}</ul>
        ) : (
          <p key={i}>{inline(paragraph)}</p>
        ),
      )}
    </>
  );
}

export function Words({ k, values }: { k: Key; values?: { [name: string]: string | number } }) {
  return <Text words={t(k, values)} />;
}

// The same passage at the reading level that is chosen.
export function Levelled({ k }: { k: string }) {
  return <Text words={atLevel(k, useMemory().get("level"))} />;
}

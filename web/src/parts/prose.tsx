// Words with a little structure: paragraphs, **bold**, *slanted*, `code` and $maths$.

import type { ComponentChildren } from "preact";

import { useMemory } from "../memory";
import { has, t, tt, type Key } from "../words";

const PIECES = /(\*\*[^*]+\*\*|\*[^*]+\*|`[^`]+`|\$[^$]+\$)/;

export function inline(text: string): ComponentChildren[] {
  return text.split(PIECES).map((piece) => {
    if (piece.startsWith("**")) return <strong>{piece.slice(2, -2)}</strong>;
    if (piece.startsWith("*") && piece.length > 2) return <em>{piece.slice(1, -1)}</em>;
    if (piece.startsWith("`")) return <code>{piece.slice(1, -1)}</code>;
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

// The same passage at the reading level that is chosen; one without levels is for both.
export function Levelled({ k, values }: { k: string; values?: { [name: string]: string | number } }) {
  const level = useMemory().get("level");
  const key = has(`${k}.${level}`) ? `${k}.${level}` : k;
  return <Text words={tt(key, values)} />;
}

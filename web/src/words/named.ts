// Words for what Python names by ids: arms and other series, levels, axes, marks, figures. An id is
// a path, "none/plain-torch": each part has its words, of its claim or of all claims. "layer=5" is
// the words of "layer" with 5 in them, and a number is itself. Python's own English is used only
// where there are none, and the console says so.

import { currentLanguage, has, tt, written } from ".";
import { digits, power, shown } from "../charts/scale";
import type { Axis, Figure, Mark } from "../made/messages";

function found(kind: string, claim: string, id: string): string | null {
  return [`${kind}.${claim}.${id}`, `${kind}.${id}`].find(has) ?? null;
}

function missing(kind: string, claim: string, id: string, text: string): string {
  console.error(`missing words: ${kind}.${claim}.${id}`);
  return text;
}

function numeral(text: string): string | null {
  if (!/^-?\d+(\.\d+)?(e-?\d+)?$/.test(text)) return null;
  const small = /^1e-0*(\d+)$/.exec(text);
  return small ? power(-small[1]!) : written(+text);
}

// A series or a level: "no normalization, usual start".
export function named(claim: string, id: string, text = id): string {
  const parts = id.split("/").map((part) => {
    const [kind, value] = part.split("=") as [string, string?];
    const key = found("name", claim, kind);
    if (key) return tt(key, value === undefined ? {} : { n: numeral(value) ?? value });
    return numeral(part);
  });
  return parts.every((part) => part !== null) ? parts.join(", ") : missing("name", claim, id, text);
}

export function axisName(claim: string, axis: Axis): string {
  const key = found("axis", claim, axis.id);
  return key ? tt(key) : missing("axis", claim, axis.id, axis.label);
}

// What stands at place `at` of an axis.
export function levelName(claim: string, axis: Axis, at: number): string {
  const id = axis.ids[at];
  return id === undefined ? shown(at, axis.percent) : named(claim, id, axis.names[at]);
}

export function markName(claim: string, mark: Mark, percent: boolean): string {
  const key = found("mark", claim, mark.id);
  if (!key) return missing("mark", claim, mark.id, mark.label);
  const value = mark.value ?? NaN;
  return tt(key, { value: percent ? shown(value, true) : digits(Math.abs(value) < 10 ? value : Math.round(value), 3) });
}

// Title and caption of a figure.
export function figureWords(claim: string, figure: Figure): [string, string] {
  const key = `figure.${claim}.${figure.id}`;
  if (has(key)) return [tt(key), tt(`${key}.says`)];
  return [missing("figure", claim, figure.id, figure.title), currentLanguage() === "en" ? figure.alt : ""];
}

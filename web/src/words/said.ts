// What Python calls an arm, an axis or a mark, in the words of the page. Names are told apart at
// their commas, and numbers are left open: "batch norm, layer 5" is "batch-norm" and "layer-#". A
// name without words of its own is shown as it is.

import { currentLanguage, has, tt, written } from ".";
import { power } from "../charts/scale";

export function slug(text: string): string {
  return text
    .replace(/\d+(\.\d+)?/g, "#")
    .toLowerCase()
    .replace(/[^a-z#]+/g, "-")
    .replace(/^-|-$/g, "");
}

function part(text: string): string {
  const small = /^1e-0*(\d+)$/.exec(text);
  if (small) return power(-small[1]!);
  const key = `said.${slug(text)}`;
  if (!has(key)) return currentLanguage() === "en" ? text : text.replace(/(\d)\.(\d)/g, "$1,$2");
  const numbers = text.match(/\d+(\.\d+)?/g) ?? [];
  return tt(key, Object.fromEntries(numbers.map((n, i) => ["abc"[i], written(+n)])));
}

export function said(text: string): string {
  if (!text || has(`said.${slug(text)}`)) return text && part(text);
  return text.split(", ").map(part).join(", ");
}

// Title and caption of a figure; what stands behind the colon of Python's title is the data.
export function saidFigure(title: string, alt: string): [string, string] {
  const [name, data = ""] = title.split(": ");
  const key = `figure.${slug(name!)}`;
  if (!has(key)) return [title, alt];
  const more = data.includes(",") ? `: ${said(data.split(", ").slice(1).join(", "))}` : "";
  return [tt(key) + more, tt(`${key}.says`)];
}

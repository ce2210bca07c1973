// How each arm is drawn, the same everywhere: colour, dashes and marker say the same thing thrice.
// The table is the report's (made/looks.json), and so is the way it is dealt out: a test compares
// both over cases that Python wrote.

import table from "../made/looks.json";

export interface Look {
  color: string; // of made/looks.css
  dash: number[];
  marker: string;
  hollow: boolean;
}

type Known = keyof typeof table.known;

const solid = (look: Omit<Look, "hollow">): Look => ({ ...look, hollow: false });
const KNOWN = Object.fromEntries(Object.entries(table.known).map(([id, look]) => [id, solid(look)])) as { [id in Known]: Look };
const MORE = table.more.map(solid);
const VARIANTS = table.variants;

// The arm that a series is about: "batch" of "batch/deep".
function armOf(id: string): Known | null {
  const arm = id.split("/")[0]!;
  return arm in KNOWN ? (arm as Known) : null;
}

// A look for each series of a chart, by their ids, no two the same even without colour.
export function looks(ids: string[]): Look[] {
  const count = (arm: Known | null, within: (Known | null)[]) => within.filter((other) => other === arm).length;
  const every = ids.map(armOf);
  const arms = every.map((arm) => (arm && count(arm, every) > VARIANTS.length ? null : arm));
  const found = arms.map((arm, place) => {
    const variant = count(arm, arms.slice(0, place));
    if (!arm || variant > 1) return null;
    return variant ? { ...KNOWN[arm], dash: VARIANTS[1]!, hollow: true } : KNOWN[arm];
  });
  const spare = spares(found.filter((look) => look !== null), new Set(arms));
  return found.map((look, place) => {
    if (look) return look;
    const next = spare.next().value as Look;
    const arm = arms[place];
    return arm ? { ...next, color: arm, dash: VARIANTS[2]! } : next;
  });
}

// Looks whose markers are not in use: of colours that are free first, then all others.
function* spares(used: Look[], arms: Set<Known | null>): Generator<Look> {
  const every = [...MORE, ...Object.values(KNOWN)];
  const free = (look: Look) => !arms.has(look.color as Known);
  for (const hollow of [false, true]) {
    for (const look of [...every.filter(free), ...every.filter((one) => !free(one))]) {
      if (used.some((other) => other.marker === look.marker && other.hollow === hollow)) continue;
      yield { ...look, hollow, dash: hollow ? [...(look.dash.length ? look.dash : [10, 2]), 1, 2] : look.dash };
    }
  }
  while (true) yield* every; // more lines than anyone can tell apart
}

export function colorOf(element: Element, look: Look): string {
  return getComputedStyle(element).getPropertyValue(`--arm-${look.color}`).trim();
}

export function shapeOf(look: Look): string {
  return table.markers[look.marker as keyof typeof table.markers];
}

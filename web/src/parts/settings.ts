// Whether a run belongs to the settings that are dialled in, and which seeds come next.

import type { Run, Settings } from "../live/run";
import { APART } from "../made/room";

// Equal as JSON is, whatever the order of keys.
export function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const [left, right] = [Object.entries(a), Object.entries(b)];
  return left.length === right.length && left.every(([key, value]) => key in b && same(value, (b as Settings)[key]));
}

// Every setting that the page asks for is what the run has; the rest are defaults.
export function belongs(run: Run, settings: Settings): boolean {
  return Object.entries(settings).every(([key, value]) => key === "seed" || same(run.settings[key], value));
}

// Asked for again, an experiment takes seeds that nobody has seen: the same ones would only give
// the same result. In a class, each pair's are its own from the first run on.
export function next(run: Run | null, settings: Settings, pair = 0): Settings {
  const own = pair > 0 && settings.seed === undefined; // the workbench says which it takes
  const first = own ? { ...settings, seed: APART * pair } : settings;
  if (run?.status !== "done" || run.origin?.of === "recorded" || !belongs(run, settings)) return first;
  const { seed = 0, seeds = 5 } = run.settings as { seed?: number; seeds?: number };
  if (own && Math.floor(seed / APART) !== pair) return first; // it was run before the pair had its number
  return { ...settings, seed: seed + seeds };
}

// A goal that arms can reach, by a rule that does not know which arm is which, as Python's
// `protocol.goals`.

import { NOTHING, SHARE } from "../made/protocol";
import { median } from "./numbers";

export interface Chosen {
  value: number;
  bar: number; // the level from which it was taken
  weaker: boolean; // false if the weaker arm learned next to nothing, so that the other one set it
  share: number;
}

export function chosen(levels: Map<string, number>, floor: number, least: number, share = SHARE): Chosen | null {
  const ranked = [...levels.values()].sort((a, b) => a - b);
  const [weaker, stronger] = [ranked[0]!, ranked.at(-1)!];
  if (stronger - floor < least) return null;
  const nothing = weaker - floor < Math.max(NOTHING * (stronger - floor), least);
  const bar = nothing ? stronger : weaker;
  return { value: floor + share * (bar - floor), bar, weaker: !nothing, share };
}

// Why it is this one; behind chance and the arm's best, where they are.
export function why(goal: Chosen, floor = "", bar = ""): string {
  const which = goal.weaker ? "weaker" : "stronger";
  return `${Math.round(100 * goal.share)} % of the way from chance${floor} to the ${which} arm's best${bar}${goal.weaker ? "" : "; the other learned next to nothing"}`;
}

export const bestMedian = (levels: number[][]) => Math.max(...levels.map(median));

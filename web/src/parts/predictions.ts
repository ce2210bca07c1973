// What a learner may expect of each experiment, and which of it a result bears out. The answers
// cover what can happen; none is right where the runs settle nothing.

import type { Effect, Result } from "../made/messages";
import { QUOTED, tallest } from "./happened";

export interface Question {
  options: string[];
  right: (result: Result) => string[];
}

type Grade = { [option: string]: number }; // an option and where it ends, the last at no end

function effect({ verdict }: Result, id: string): Effect | undefined {
  return verdict.effects.find((one) => one.id === id);
}

// The options that a number falls into; of "at least 4", all from there on.
function graded(grades: Grade, value: number | null | undefined, bound = ""): string[] {
  if (typeof value !== "number" || bound === "at most") return [];
  const fits = Object.keys(grades).filter((option) => value < grades[option]!);
  return bound ? fits : fits.slice(0, 1);
}

function byNumber(name: string, grades: Grade, read = (value: number) => value): Question {
  const right = (result: Result) => {
    const found = effect(result, QUOTED[name]![0]![0]!);
    return graded(grades, typeof found?.value === "number" ? read(found.value) : null, found?.bound);
  };
  return { options: Object.keys(grades), right };
}

// By the answer to the claim, where the options are just what it can be.
function byAnswer(holds: string, inPart: string, not: string): Question {
  const right = ({ verdict }: Result) =>
    ({ holds: [holds], "holds in part": [inPart], "does not hold": [not], "cannot tell": [] })[verdict.answer];
  return { options: [not, inPart, holds], right };
}

// By the interval of a difference or, around 1, of a ratio.
function bySign(id: string, [above, level, below]: [string, string, string], zero = 0): Question["right"] {
  return (result) => {
    const found = effect(result, id);
    if (typeof found?.low !== "number" || typeof found.high !== "number") return [];
    return [found.low > zero ? above : found.high < zero ? below : level];
  };
}

// The best of a few arms, from how far the first is ahead of each other one; and of those leads the
// least, which says by how much.
function best(result: Result, first: string, ahead: { [arm: string]: string }): { arm: string; lead: Effect } | null {
  const leads = Object.entries(ahead).map(([arm, id]) => ({ arm, lead: effect(result, id) }));
  const known = leads.filter((one): one is { arm: string; lead: Effect & { value: number } } => typeof one.lead?.value === "number");
  if (known.length < leads.length) return null;
  const least = known.reduce((a, b) => (b.lead.value < a.lead.value ? b : a));
  return least.lead.value < 0 ? least : { ...least, arm: first };
}

function even({ low, high }: Effect): boolean {
  return (low ?? 0) <= 0 && (high ?? 0) >= 0;
}

function reading(result: Result): string[] {
  const found = best(result, "layer", { batch: "gain/arms/best/layer/batch", none: "gain/arms/best/layer/none" });
  return found && !even(found.lead) ? [found.arm] : [];
}

function placed(result: Result): string[] {
  const [after, input] = ["gain/raw/best/before/after", "gain/raw/best/before/input"] as const;
  const found = best(result, "before", { after, input });
  if (!found) return [];
  const close = (id: string) => even(effect(result, id)!);
  if (found.arm !== "input" && close(after)) return ["same"];
  return found.arm !== "after" && close(input) ? ["before", "input"] : [found.arm];
}

const FIFTY = 50;

function towers(result: Result): string[] {
  const found = tallest(result);
  if (!found) return [];
  if (found.none >= FIFTY) return ["any"];
  const alone = [found.batch >= FIFTY ? "alone" : "", found.corridor >= FIFTY ? "with-path" : ""].filter(Boolean);
  if (alone.length) return alone;
  return [found.path >= FIFTY ? "both" : "fails"];
}

// What of the options a result bears out; nothing where the runs settle nothing.
export function rightOf(experiment: string, result: Result): string[] {
  return result.verdict.answer === "cannot tell" ? [] : PREDICTIONS[experiment]!.right(result);
}

export const PREDICTIONS: { [experiment: string]: Question } = {
  factory: { options: ["still", "drift", "only-first", "more"], right: bySign("drift", ["drift", "only-first", "more"], 1) },
  race: byNumber("race", { same: 1.25, two: 3, four: 5, ten: Infinity }),
  rates: byNumber("rates", { same: 1.25, bit: 3, some: 10, much: Infinity }, (decades) => 10 ** decades),
  tower: { options: ["fails", "alone", "with-path", "both", "any"], right: towers },
  "tower.gradients": byAnswer("even", "better", "no"),
  place: { options: ["before", "after", "input", "same"], right: placed },
  "place.door": byAnswer("nothing", "part", "all"),
  layer: { options: ["batch", "layer", "same"], right: bySign("trained", ["layer", "same", "batch"]) },
  "layer.stories": { options: ["none", "batch", "layer"], right: reading },
  "break.eps": byAnswer("all", "some", "none"),
  "break.knobs": byNumber("break.knobs", { none: 1, bit: 10, much: Infinity }),
  "break.eval": byNumber("break.eval", { none: 1, bit: 20, much: Infinity }),
  "break.noise": byNumber("break.noise", { none: 1, bit: 5, much: Infinity }),
};

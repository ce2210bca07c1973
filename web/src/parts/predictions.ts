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

// The best of a few arms, from how far the first is ahead of each other one.
function best(first: string, ahead: { [arm: string]: string }): Question["right"] {
  return (result) => {
    const leads = Object.entries(ahead).map(([arm, id]) => [arm, effect(result, id)?.value] as const);
    if (leads.some(([, value]) => typeof value !== "number")) return [];
    const [arm, lead] = leads.reduce((a, b) => (b[1]! < a[1]! ? b : a));
    return [lead! < 0 ? arm : first];
  };
}

// As `best`, where the two that are ahead are told apart by their interval.
function clearlyBest(first: string, ahead: { [arm: string]: string }): Question["right"] {
  const right = best(first, ahead);
  return (result) => {
    const [found] = right(result);
    const id = found === undefined ? "" : (ahead[found] ?? Object.values(ahead).reduce((a, b) => ((effect(result, b)?.value ?? 0) < (effect(result, a)?.value ?? 0) ? b : a)));
    const { low, high } = effect(result, id) ?? {};
    return typeof low === "number" && typeof high === "number" && (low > 0 || high < 0) ? [found!] : [];
  };
}

function placed(result: Result): string[] {
  const close = (id: string) => (effect(result, id)?.low ?? 0) <= 0 && (effect(result, id)?.high ?? 0) >= 0;
  const [after, input] = ["gain/raw/best/before/after", "gain/raw/best/before/input"];
  const found = best("before", { after, input })(result);
  if (!found.length) return [];
  if (found[0] !== "input" && close(after!)) return ["same"];
  return found[0] !== "after" && close(input!) ? ["before", "input"] : found;
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
  "layer.stories": {
    options: ["none", "batch", "layer"],
    right: clearlyBest("layer", { batch: "gain/arms/best/layer/batch", none: "gain/arms/best/layer/none" }),
  },
  "break.eps": byAnswer("all", "some", "none"),
  "break.knobs": byNumber("break.knobs", { none: 1, bit: 10, much: Infinity }),
  "break.eval": byNumber("break.eval", { none: 1, bit: 20, much: Infinity }),
  "break.noise": byNumber("break.noise", { none: 1, bit: 5, much: Infinity }),
};

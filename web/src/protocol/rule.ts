// From effects with their 95 % intervals to an answer, as Python's `protocol.rule` and
// `protocol.conditions`. What a rule says before the result comes with the statement.

import type { Clause, Interval, PerPart, Rule } from "../made/experiment";
import type { Verdict } from "../made/messages";
import { MIN_SEEDS, POINT } from "../made/protocol";
import type { Effect } from "./effects";
import { count, listed } from "./wording";

type Effects = Map<string, Effect>;
type Condition = Clause["when"];
type Answer = Verdict["answer"];

const CANNOT_TELL = "cannot tell";

export interface Decision {
  answer: Answer;
  reason: string;
  note: string;
  effect: string; // the one to be shown first; "" for the one that stands first
}

const decision = (answer: Answer, reason: string, note = "", effect = ""): Decision => ({ answer, reason, note, effect });

const SIGNS: { [sign: string]: (a: number, b: number) => boolean } = {
  ">=": (a, b) => a >= b, ">": (a, b) => a > b, "<": (a, b) => a < b, "<=": (a, b) => a <= b,
};

const endOf = (effect: Effect, of: Interval) => effect[of.end as "low" | "high"];

// The effects that an interval is about: one, or all whose id begins so.
function among(of: Interval, effects: Effects): Effect[] {
  if (of.effects.endsWith("*")) return [...effects].flatMap(([id, effect]) => (id.startsWith(of.effects.slice(0, -1)) ? [effect] : []));
  const found = effects.get(of.effects);
  if (!found) throw new Error(`the rule asks for ${of.effects}, which is no effect`);
  return [found];
}

const trueOf = (of: Interval, effects: Effects) => among(of, effects).filter((effect) => SIGNS[of.sign]!(endOf(effect, of), of.bound));

// How far an interval's end lies on the right side of the number.
const margin = (of: Interval, effect: Effect) => (of.sign.startsWith(">") ? 1 : -1) * (endOf(effect, of) - of.bound);

// The condition of one of several cases, whose id stands for "$".
function ofCase(condition: Condition, id: string): Condition {
  if (condition.type === "interval") return { ...condition, effects: condition.effects.replaceAll("$", id) };
  if (condition.type === "each") return condition;
  return { ...condition, of: condition.of.map((one) => ofCase(one, id)) };
}

function holds(condition: Condition, effects: Effects): boolean {
  switch (condition.type) {
    case "interval": {
      const found = trueOf(condition, effects);
      if ((condition.how ?? "all") === "all") return found.length > 0 && found.length === among(condition, effects).length;
      return condition.how === "always" || found.length > 0;
    }
    case "both":
      return condition.of.every((one) => holds(one, effects));
    case "either":
      return condition.of.some((one) => holds(one, effects));
    case "each": {
      const found = Object.keys(condition.cases).map((id) => holds(ofCase(condition.when, id), effects));
      return (condition.how ?? "all") === "all" ? found.every(Boolean) : found.some(Boolean);
    }
  }
}

function intervals(condition: Condition): Interval[] {
  if (condition.type === "interval") return [condition];
  if (condition.type === "each") return Object.keys(condition.cases).flatMap((id) => intervals(ofCase(condition.when, id)));
  return condition.of.flatMap(intervals);
}

// The decision where an effect rests on fewer seeds than are needed.
function tooFew(judged: Effect[]): Decision | null {
  const fewest = judged.length ? Math.min(...judged.map((effect) => effect.seeds)) : 0;
  if (fewest >= MIN_SEEDS) return null;
  const found = fewest ? `only ${count(fewest, "seed")}` : "no seed";
  return decision(CANNOT_TELL, `${found} can be compared, and at least ${MIN_SEEDS} are needed`);
}

// The reason, in which {0} stands for the effects for which the condition's first interval is true,
// {0.n} for how many those are, {0.of} of how many; {1}, … for those of its next.
function because(clause: Clause, effects: Effects): Decision {
  const all = intervals(clause.when);
  const said = clause.because.replace(/\{(\d+)(?:\.(n|of))?\}/g, (_, place: string, part?: string) => {
    const found = trueOf(all[Number(place)]!, effects);
    if (part === "n") return `${found.length || "none"}`;
    if (part === "of") return `${among(all[Number(place)]!, effects).length}`;
    return listed([...new Set(found.map((effect) => effect.about))]);
  });
  const leading = clause.leads ? trueOf(all[0]!, effects).reduce((a, b) => (margin(all[0]!, b) > margin(all[0]!, a) ? b : a)).id : "";
  return decision(clause.answer, said, clause.note ?? "", leading);
}

function first(rule: Rule, effects: Effects): Decision {
  const used = rule.clauses.flatMap((clause) => intervals(clause.when).flatMap((of) => among(of, effects)));
  const few = tooFew([...new Set(used)]);
  if (few) return few;
  const found = rule.clauses.find((clause) => holds(clause.when, effects));
  return found ? because(found, effects) : decision(CANNOT_TELL, rule.otherwise);
}

// Whether a gain is there, and as large as `least`.
function gained(effect: Effect, least: number, zero: number): Answer {
  if (effect.low >= least) return "holds";
  if (effect.high < least) return "does not hold";
  return effect.low > zero ? "holds in part" : CANNOT_TELL;
}

// One answer from those to the parts of a claim.
function joined(answers: Answer[]): Answer {
  const kinds = new Set(answers);
  if (kinds.size === 1) return answers[0]!;
  if (kinds.has("holds") || kinds.has("holds in part")) return "holds in part";
  return kinds.has("does not hold") ? "does not hold" : CANNOT_TELL;
}

function perPart(rule: PerPart, effects: Effects): Decision {
  const of = rule.parts.map((part) => effects.get(part.effect)!);
  const few = tooFew(of);
  if (few) return few;
  const answers = rule.parts.map((part, i) => gained(of[i]!, part.least ?? POINT, rule.zero ?? 0));
  const said: string[] = [];
  for (const [kind, usual] of Object.entries(rule.because)) {
    const where = rule.parts.flatMap((part, i) => (answers[i] === kind ? [part.where ?? ""] : []));
    if (!where.length) continue;
    const text = said.length ? usual : (rule.alone?.[kind] ?? usual);
    said.push(text.replaceAll("{where}", listed(where, text.split(/\s+/).includes("not") ? "or" : "and")));
  }
  return decision(joined(answers), said.join(", "));
}

// The answer to these effects, by their ids.
export function decide(rule: Rule | PerPart, effects: Effects): Decision {
  for (const [name, reason] of Object.entries(rule.needs ?? {})) if (!effects.has(name)) return decision(CANNOT_TELL, reason);
  return rule.type === "rule" ? first(rule, effects) : perPart(rule, effects);
}

// The verdict in a sentence: what that means for the claim.
export function verdictOn(phrase: string, decided: Decision): string {
  if (decided.answer === CANNOT_TELL) return `whether “${phrase}” holds is undecided: ${decided.reason}`;
  return `“${phrase}” ${decided.answer}${decided.note ? `, ${decided.note}` : ""}: ${decided.reason}`;
}

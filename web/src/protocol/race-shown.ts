// What a race shows: curves over steps and over time, learning rates, and sentences, as Python's
// `protocol.race_shown`.

import type { Curve } from "../engine/curve";
import type { Figure, Mark } from "../made/messages";
import { AHEAD, PENALTY } from "../made/protocol";
import { axis, series } from "./drawn";
import { fixed, general } from "./format";
import { why } from "./goals";
import { level } from "./measures";
import { mean, median, quantile, sorted } from "./numbers";
import { compared, times } from "./phrases";
import type { Finding, Meeting } from "./race";
import { bestOf, bestRates, type Field, type Search } from "./tuning";
import { amount, count, digits } from "./wording";

const metricOf = (field: Field) => (field.data.task === "regression" ? "R²" : "accuracy");
const percentOf = (field: Field) => field.data.task !== "regression";
const stepsOf = (meeting: Meeting, place: number) => meeting.steps.map((pair) => pair[place]!);

// Evaluated steps, median, lower and upper quartile over the seeds; a run that diverged counts as
// guessing from there on.
function quartiles(curves: Curve[], floor: number): { step: number[]; parts: number[][] } {
  const step = curves.map((curve) => curve.step).reduce((a, b) => (b.length > a.length ? b : a));
  const at = step.map((_, i) => sorted(curves.map((curve) => (Number.isFinite(curve.metric[i]) ? curve.metric[i]! : floor))));
  return { step, parts: [0.5, 0.25, 0.75].map((q) => at.map((values) => quantile(values, q))) };
}

export function figures(field: Field, found: Finding): Figure[] {
  const each = found.seconds && field.arms.map((arm) => 1000 * median(found.seconds!.get(arm)!));
  return [
    curves(field, found, "steps", "steps", [1, 1]),
    ...(each ? [curves(field, found, "milliseconds of training", "ms", each)] : []),
    rates(field, found.search),
  ];
}

function curves(field: Field, found: Finding, unit: string, short: string, scale: number[]): Figure {
  const best = found.meetings[0]!;
  const metric = metricOf(field);
  const goal = found.search.goal!.value;
  const reach = scale.map((each, place) => median(stepsOf(best, place)) * each);
  let end = field.plan.steps * Math.min(...scale);
  if (reach.every(Number.isFinite)) end = Math.min(end, AHEAD * Math.max(...reach));
  const marks: Mark[] = [{ label: `goal ${amount(field.data, goal)}`, value: goal, axis: "y", series: "", id: "goal" }];
  const said: string[] = [];
  const made = field.arms.map((arm, place) => {
    const { step, parts } = quartiles(best.curves.map((pair) => pair[place]!), field.data.chance);
    const x = step.map((one) => one * scale[place]!);
    const shown = x.filter((one) => one <= end).length;
    if (Number.isFinite(reach[place])) {
      const needed = short === "ms" ? digits(reach[place]!) : fixed(reach[place]!, 0);
      marks.push({ label: `${needed} ${short}`, value: reach[place]!, axis: "x", series: arm, id: short });
      said.push(`${field.name(arm)} after ${needed} ${short}`);
    } else said.push(`${field.name(arm)} mostly never`);
    return series(arm, field.name(arm), x.slice(0, shown), ...parts.map((part) => part.slice(0, shown)));
  });
  return {
    kind: "lines",
    title: `Both arms at their best learning rates, over ${unit}`,
    alt: `Curves of the ${metric} on test data, median and middle half over seeds. The goal is reached by ${said.join(" and by ")}.`,
    x: axis(unit, short),
    y: axis(`${metric} on test data`, "metric", { percent: percentOf(field) }),
    series: made,
    marks,
    id: `curves/${short}`,
  };
}

function rates(field: Field, search: Search): Figure {
  const metric = metricOf(field);
  return {
    kind: "strips",
    title: `The ${metric} that each learning rate led to, on the tuning seeds`,
    alt: "A strip for each arm; the stronger the shade of a learning rate, the better the network it leads to.",
    x: axis("learning rate", "rate", { log: true }),
    y: axis(metric, "metric", { percent: percentOf(field) }),
    series: [...search.tried].map(([arm, rows]) => series(arm, field.name(arm), rows.map((row) => row.rate), rows.map((row) => row.level))),
    marks: [{ label: "goal", value: search.goal!.value, axis: "y", series: "", id: "goal" }],
    id: "rates",
  };
}

// ---- words ----

// Why there is no verdict yet, or none at all; "" if there is one.
export function nothingYet(field: Field, found: Finding | null): string {
  if (!found) return "goal and learning rates are not chosen yet, so nothing is measured";
  if (!found.search.goal) return nothingLearned(field, found.search);
  return found.meetings.length ? "" : "no seed was measured with both arms yet";
}

function nothingLearned(field: Field, search: Search): string {
  const { data } = field;
  const said = (metric: number) => amount(data, metric);
  const rows = [...search.tried].flatMap(([arm, tried]) => tried.map((row) => ({ row, arm })));
  const best = rows.reduce((a, b) => (b.row.level > a.row.level ? b : a));
  const all = rows.map(({ row }) => row.rate);
  const tried = `at learning rates from ${general(Math.min(...all))} to ${general(Math.max(...all))}`;
  const gone = rows.reduce((total, { row }) => total + row.diverged, 0);
  const runs = rows.reduce((total, { row }) => total + row.keys.length, 0);
  if (gone === runs) return `all ${runs} runs diverged ${tried}, so there is nothing to compare`;
  const ends =
    `the best, ${field.name(best.arm)} at ${general(best.row.rate)}, ended with ${said(best.row.level)}, and guessing reaches ${said(data.chance)}` +
    (gone ? `; ${gone} of ${runs} runs diverged` : "");
  if (best.row.level > data.chance && data.test) {
    return `${count(data.test, "test row")} cannot tell what was learned from luck: ${ends}; it would take ${said(data.chance + data.noise)}`;
  }
  return `neither arm learned anything in ${field.plan.steps} steps ${tried}: ${ends}`;
}

// Steps of both arms to the goal, the ratios, and the difference at the end.
export function happened(field: Field, found: Finding): string {
  const best = found.meetings[0]!;
  const goal = amount(field.data, found.search.goal!.value);
  const { steps } = field.plan;
  if (!best.steps.some((pair) => pair.some(Number.isFinite))) return `no run of either arm reached ${goal} in ${steps} steps`;
  const said = [1, 0].map((place) => {
    const own = stepsOf(best, place);
    const middle = median(own);
    const reached = own.filter(Number.isFinite).length;
    const how = Number.isFinite(middle) ? `in ${fixed(middle, 0)} steps` : `in ${reached || "none"} of ${count(own.length, "run")} within ${steps} steps`;
    return `with ${field.name(field.arms[place]!)} ${how}`;
  });
  const ratios = best.effects.filter((effect) => !effect.id.startsWith("end/")).map(times);
  const ahead = { ...best.effects.at(-1)!, unit: percentOf(field) ? "percentage points" : "of R²" };
  const [first, other] = field.arms.map((arm) => field.name(arm));
  const end = compared(ahead, "ahead of", "behind", "level with", first!);
  return `${goal} was reached ${said.join(" and ")}, ${ratios.join(" and ")}; after ${steps} steps ${other} was ${end}${lost(field, best)}`;
}

// Arms that ended no better than a guess, or diverged.
function lost(field: Field, best: Meeting): string {
  const floor = field.data.chance;
  const said = field.arms.map((arm, place) => {
    const runs = best.curves.map((pair) => pair[place]!);
    const end = mean(runs.map((run) => level(run, { floor })));
    if (runs.every((run) => run.ended === "diverged")) return `; ${field.name(arm)} diverged in every run`;
    return end < floor + field.data.noise ? `; ${field.name(arm)} ended at chance (${amount(field.data, end)})` : "";
  });
  return said.join("");
}

// The goal; best rates at an edge; runs that did not get there; seeds that are missing.
export function notes(field: Field, found: Finding): string[] {
  const { plan, data } = field;
  const goal = found.search.goal!;
  const best = found.meetings[0]!;
  const said = [`The goal, ${amount(data, goal.value)}, is ${why(goal)} (from ${amount(data, data.chance)} to ${amount(data, goal.bar)}).`];
  for (const [arm, rows] of found.search.tried) {
    if (![rows[0], rows.at(-1)].includes(bestOf(rows))) continue;
    said.push(`The best learning rate with ${field.name(arm)}, ${general(bestRates(found.search).get(arm)!)}, is the lowest or highest tried: a better one may lie beyond.`);
  }
  field.arms.forEach((arm, place) => {
    const steps = stepsOf(best, place);
    const late = steps.filter((one) => !Number.isFinite(one)).length;
    const gone = best.curves.filter((pair) => pair[place]!.ended === "diverged").length;
    if (!late) return;
    said.push(
      `${late} of ${count(steps.length, "run")} with ${field.name(arm)} did not reach the goal in ${plan.steps} steps${gone ? ` (${gone} diverged)` : ""}. ` +
        `Such a run counts as ${plan.steps} in the ratio and as up to ${PENALTY * plan.steps} in its interval.`,
    );
  });
  if (best.curves.length < plan.seeds) said.push(`Only ${best.curves.length} of ${plan.seeds} seeds were measured.`);
  return said;
}

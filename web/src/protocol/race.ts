// Two arms to the same goal, in steps and in seconds, as Python's `protocol.race` and
// `protocol.networks`.

import type { Curve } from "../engine/curve";
import type { Trial } from "../engine/trial";
import type { Facts } from "../made/described";
import type { Experiment } from "../made/experiment";
import type { Place, Statement, TrialShown, Verdict } from "../made/messages";
import { LOWEST, RESOLUTION, TIMED_PAIRS } from "../made/protocol";
import { BEST, type Curves, key, makeTrial, over } from "./cells";
import { type Effect, meanEffect, pairsRatio } from "./effects";
import type { Described } from "./experiments";
import { general, rateAt } from "./format";
import { level, toGoal } from "./measures";
import { shownOf } from "./places";
import { figures, happened, notes, nothingYet } from "./race-shown";
import { decide } from "./rule";
import { setting } from "./setting";
import { missing, type Round, sentence, type Study, type Timed } from "./study";
import { bestRates, fastest, Field, type Search, Tuning } from "./tuning";

export interface Meeting {
  at: string;
  label: string;
  rates: [number, number];
  curves: [Curve, Curve][]; // of each seed that both finished
  steps: [number, number][]; // to the goal; Infinity where it was not reached
  effects: Effect[];
}

export interface Finding {
  search: Search;
  meetings: Meeting[]; // best against best first
  seconds: Map<string, number[]> | null; // of a step of each arm, turn by turn
}

export class RaceStudy implements Study {
  readonly experiment: Experiment;
  readonly statement: Statement;
  readonly field: Field;
  private tuning: Tuning;
  private data: Facts;

  constructor(described: Described) {
    [this.experiment, this.statement] = [described.experiment, described.statement];
    this.data = described.data[described.experiment.data]!;
    this.field = new Field(described.experiment, this.data);
    this.tuning = new Tuning(this.field);
  }

  private get seeds(): number[] {
    const { first = 0, seeds } = this.field.plan;
    return Array.from({ length: seeds }, (_, i) => first + i);
  }

  search(curves: Curves): Search {
    return this.tuning.search(curves);
  }

  trials(curves: Curves): Round {
    const found = this.search(curves);
    if (found.wanted.length) return { phase: "tuning", trials: found.wanted, later: 4 * this.field.plan.seeds };
    const meetings = found.goal ? this.meetings(found) : [];
    const wanted = this.seeds.flatMap((seed) => meetings.flatMap(({ rates }) => this.pair(found, rates, seed)));
    return { phase: "measuring", trials: missing(wanted, curves), later: 0 };
  }

  private meetings(found: Search): Pick<Meeting, "at" | "label" | "rates">[] {
    const [a, b] = [...bestRates(found).values()] as [number, number];
    const best = { at: BEST, label: "best against best", rates: [a, b] as [number, number] };
    const both = this.field.arms.map((arm, i) => {
      const rate = [a, b][i]!;
      return { at: `at-${arm}`, label: `both at learning rate ${general(rate)}`, rates: [rate, rate] as [number, number] };
    });
    return a === b ? [best] : [best, ...both];
  }

  private pair(found: Search, rates: [number, number], seed: number): [Trial, Trial] {
    return this.field.arms.map((arm, i) => this.field.trial(arm, rates[i]!, seed, fastest(found) / RESOLUTION)) as [Trial, Trial];
  }

  // Both arms in turns, each pair the other way round; the first pair only warms up. The lowest rate
  // is used that was tried, or that a grid may grow to if runs diverged there: a run that diverges
  // cannot be timed.
  timing(curves: Curves): Trial[] {
    const found = this.search(curves);
    if (found.wanted.length || !found.goal) return [];
    const rows = [...found.tried.values()].flat();
    const tried = Math.min(...rows.map((row) => row.rate));
    const lowest = rows.some((row) => row.rate === tried && row.diverged) ? rateAt(LOWEST) : tried;
    const { plan, arms, batch } = this.field;
    const { network } = this.field.trial(arms[0], 0.1, 0, 0);
    const sizes = [network.inputs, ...network.hidden, network.outputs];
    const weights = sizes.slice(1).reduce((total, size, i) => total + size * sizes[i]!, 0);
    const steps = Math.min(plan.steps, Math.max(20, Math.min(200, Math.floor(5e8 / (6 * weights * batch)))));
    const pair = arms.map((arm) => this.field.trial(arm, lowest, plan.first ?? 0, 0, steps));
    return Array.from({ length: TIMED_PAIRS }, (_, i) => (i % 2 ? pair : [...pair].reverse())).flat();
  }

  private arm(trial: Trial): string {
    return this.field.arms.find((arm) => this.field.trial(arm, 0.1, 0, 0).network.norm === trial.network.norm)!;
  }

  private seconds(timed: Timed[]): Finding["seconds"] {
    const found = new Map<string, number[]>(this.field.arms.map((arm) => [arm, []]));
    for (let i = 2; i + 1 < timed.length; i += 2) {
      const pair = timed.slice(i, i + 2);
      if (pair.every(({ each }) => each !== null)) for (const { trial, each } of pair) found.get(this.arm(trial))!.push(each!);
    }
    return [...found.values()].every((own) => own.length) ? found : null;
  }

  // What the curves show so far; null before goal and learning rates are chosen.
  finding(curves: Curves, timed: Timed[]): Finding | null {
    const search = this.search(curves);
    if (search.wanted.length) return null;
    if (!search.goal) return { search, meetings: [], seconds: null };
    const seconds = this.seconds(timed);
    return { search, meetings: this.meetings(search).flatMap((one) => this.meet(search, one, curves, seconds)), seconds };
  }

  private meet(found: Search, one: Pick<Meeting, "at" | "label" | "rates">, curves: Curves, seconds: Finding["seconds"]): Meeting[] {
    const pairs = this.seeds.flatMap((seed): [Curve, Curve][] => {
      const both = this.pair(found, one.rates, seed).map((trial) => curves.get(key(trial)));
      return both.every((curve) => curve) ? [both as [Curve, Curve]] : [];
    });
    if (!pairs.length) return [];
    const about = { floor: this.data.chance, goal: found.goal!.value };
    const steps = pairs.map((pair) => pair.map((run) => Math.max(toGoal(run, about), 1)) as [number, number]);
    const ratio = (kind: string, words: string, unit: string, price?: number[]) => {
      const effect = pairsRatio(steps, this.field.plan.steps, unit, one.label, price);
      return { ...effect, id: `${kind}/${one.at}`, about: words };
    };
    const [a, b] = this.field.arms.map((arm) => seconds?.get(arm));
    const percent = this.data.task !== "regression";
    const ahead = pairs.map(([first, other]) => (percent ? 100 : 1) * (level(other, about) - level(first, about)));
    const end = meanEffect(`at the end, ${one.label}`, ahead, `${percent ? "percentage points" : "of R²"} higher`);
    const effects = [
      ratio("steps", "in steps", "times fewer steps"),
      ...(a && b ? [ratio("time", "in time", "times less time", a.map((each, i) => each / b[i]!))] : []),
      { ...end, id: `end/${one.at}`, about: "at the end" },
    ];
    return [{ ...one, curves: pairs, steps, effects }];
  }

  verdict(curves: Curves, timed: Timed[]): Verdict {
    const { experiment, field } = this;
    const found = this.finding(curves, timed);
    const trials = field.plan.arms.levels.map((arm) => makeTrial(over({ trial: { steps: field.plan.steps } }, over(arm.changes ?? {}, field.plan.base)), this.data, 0));
    const measured = (seeds: number) => setting(this.data, trials, seeds);
    const none = { effects: [], notes: [], figures: [], tables: [], change: "", note: "" };
    const nothing = nothingYet(field, found);
    if (nothing || !found) return { ...none, answer: "cannot tell", reason: nothing, sentence: `${this.data.name}: ${nothing}.`, measured_on: measured(0) };
    const effects = found.meetings.flatMap((meeting) => meeting.effects);
    const decided = decide(experiment.rule, new Map(effects.map((effect) => [effect.id, effect])));
    return {
      answer: decided.answer,
      reason: decided.reason,
      sentence: sentence(this.data.name, happened(field, found), experiment.phrase, decided),
      effects,
      measured_on: measured(found.meetings[0]!.curves.length),
      notes: notes(field, found),
      figures: figures(field, found),
      tables: [],
      change: experiment.change ?? "",
      note: decided.note,
    };
  }

  shown(curves: Curves, trials: Trial[]): TrialShown[] {
    const best = bestRates(this.search(curves)); // empty while it is searched
    const hosts = new Set(best.values()).size > 1 ? [...best] : [];
    return trials.map((trial) => {
      const arm = this.arm(trial);
      const place = (at: string[]): Place[] => [{ block: "race", cell: { arm }, at }];
      if (!this.seeds.includes(trial.seed)) return shownOf(trial, "tuning", place([]));
      const rate = trial.learning_rate;
      const at = hosts.flatMap(([host, shared]) => (shared === rate ? [`at-${host}`] : []));
      return shownOf(trial, "measuring", place(best.get(arm) === rate ? [BEST, ...at] : at));
    });
  }
}

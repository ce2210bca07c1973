// Finding each arm's best learning rate, and with it the goal: the first part of a race, as Python's
// `protocol.tuning`.

import type { Curve } from "../engine/curve";
import type { Trial } from "../engine/trial";
import type { Facts } from "../made/described";
import type { Experiment, RacePlan } from "../made/experiment";
import { BELOW, GROWTHS, HIGHEST, LOWEST, PENALTY, TUNING_SEED } from "../made/protocol";
import { type Curves, key, makeTrial, over } from "./cells";
import { rateAt } from "./format";
import { bestMedian, type Chosen, chosen } from "./goals";
import { level, toGoal } from "./measures";
import { mean, median } from "./numbers";

export interface Tried {
  rate: number;
  level: number; // where it ends, median over seeds
  steps: number; // to the goal, geometric mean over seeds
  reached: number;
  diverged: number;
  keys: string[];
}

export interface Search {
  wanted: Trial[]; // still missing; the rest is known once there are none
  goal: Chosen | null;
  tried: Map<string, Tried[]>; // by arm, from low rates to high
}

// Who races: networks that differ in their normalizer, on a data set.
export class Field {
  readonly plan: RacePlan;
  readonly arms: [string, string];

  constructor(experiment: Experiment, readonly data: Facts) {
    this.plan = experiment.race!;
    this.arms = this.plan.arms.levels.map((arm) => arm.id) as [string, string];
  }

  name(arm: string): string {
    return this.plan.arms.levels.find((one) => one.id === arm)!.name;
  }

  get batch(): number {
    return (this.plan.base.trial?.batch_size as number | undefined) ?? 32;
  }

  // A run of one arm, evaluated about as often as wanted unless testing would outweigh training.
  trial(arm: string, rate: number, seed: number, every: number, steps = this.plan.steps): Trial {
    const affordable = Math.ceil(this.data.test / (24 * this.batch));
    const spacing = every ? Math.max(1, Math.floor(every), affordable) : 0;
    const own = { trial: { learning_rate: rate, steps, evaluate_every: spacing } };
    const level = this.plan.arms.levels.find((one) => one.id === arm)!;
    return makeTrial(over(own, over(level.changes ?? {}, this.plan.base)), this.data, seed);
  }
}

// Fewest steps, then the highest end, then the lowest rate.
export function bestOf(rows: Tried[]): Tried {
  return rows.reduce((a, b) => {
    const order = b.steps - a.steps || a.level - b.level || b.rate - a.rate;
    return order < 0 ? b : a;
  });
}

export const bestRates = (found: Search) => new Map([...found.tried].map(([arm, rows]) => [arm, bestOf(rows).rate]));

// Steps to the goal of the faster arm at its best.
export const fastest = (found: Search) => Math.min(...[...found.tried.values()].map((rows) => bestOf(rows).steps));

const decades = (rate: number) => Math.round(4 * Math.log10(rate)) / 4;

const union = (a: number[], b: number[]) => [...new Set([...a, ...b])].sort((x, y) => x - y);

export class Tuning {
  constructor(readonly field: Field) {}

  private trials(arm: string, rate: number): Trial[] {
    const { first = 0, tuning, steps } = this.field.plan;
    return Array.from({ length: tuning }, (_, i) => this.field.trial(arm, rate, first + TUNING_SEED + i, steps / 200));
  }

  // Goal and best learning rates; or, while curves are missing, the runs still wanted.
  search(curves: Curves): Search {
    const { plan, arms } = this.field;
    let grids = new Map<string, number[]>(arms.map((arm) => [arm, union(plan.rates, [])]));
    let [growths, refined] = [plan.growing ? GROWTHS : 0, !plan.growing];
    for (;;) {
      const wanted = [...grids].flatMap(([arm, grid]) => grid.flatMap((rate) => this.trials(arm, rate))).filter((one) => !curves.has(key(one)));
      if (wanted.length) return { wanted, goal: null, tried: new Map() };
      const found = this.state(grids, curves);
      const added = new Map<string, number[]>();
      const any = () => [...added.values()].some((rates) => rates.length);
      if (growths) {
        growths--;
        for (const [arm, rows] of found.tried) added.set(arm, this.grown(rows));
      }
      if (!any()) {
        growths = 0;
        if (!refined && found.goal) {
          refined = true;
          for (const [arm, rows] of found.tried) {
            const at = decades(bestOf(rows).rate);
            added.set(arm, [rateAt(at - 0.25), rateAt(at + 0.25)]);
          }
        }
      }
      if (!any()) return found;
      grids = new Map([...grids].map(([arm, grid]) => [arm, union(grid, added.get(arm)!)]));
    }
  }

  private state(grids: Map<string, number[]>, curves: Curves): Search {
    const { data } = this.field;
    const floor = data.chance;
    const runs = new Map([...grids].map(([arm, grid]) => [arm, grid.map((rate) => this.trials(arm, rate).map((one) => curves.get(key(one))!))]));
    const tops = new Map([...runs].map(([arm, own]) => [arm, bestMedian(own.map((group) => group.map((run) => level(run, { floor }))))]));
    const goal = chosen(tops, floor, data.noise);
    const tried = new Map([...runs].map(([arm, own]) => [arm, own.map((group, i) => this.row(grids.get(arm)![i]!, group, goal?.value ?? Infinity))]));
    return { wanted: [], goal, tried };
  }

  private row(rate: number, runs: Curve[], goal: number): Tried {
    const about = { floor: this.field.data.chance, goal };
    const steps = runs.map((run) => toGoal(run, about));
    const reached = steps.filter(Number.isFinite).length;
    const counted = steps.map((one) => (Number.isFinite(one) ? Math.max(one, 1) : PENALTY * this.field.plan.steps));
    return {
      rate,
      level: median(runs.map((run) => level(run, about))),
      steps: Number(Math.exp(mean(counted.map(Math.log))).toFixed(6)),
      reached,
      diverged: runs.filter((run) => run.ended === "diverged").length,
      keys: runs.map((run) => key(run.trial)),
    };
  }

  // Learning rates to add so that the best one gets a neighbour on both sides. An arm that learned
  // nothing is given higher ones as long as they do not diverge, and lower ones down to `BELOW` the
  // first that did.
  private grown(rows: Tried[]): number[] {
    const learned = Math.max(...rows.map((row) => row.level)) - this.field.data.chance >= this.field.data.noise;
    const [first, last, top] = [rows[0]!, rows.at(-1)!, bestOf(rows)];
    const [low, high] = [decades(first.rate), decades(last.rate)];
    const gone = rows.filter((row) => row.diverged).map((row) => decades(row.rate));
    const far = gone.length ? Math.min(...gone) - BELOW : -Infinity;
    const added: number[] = [];
    if ((learned ? top === first : low - 0.5 >= far && far > -Infinity) && low > LOWEST) added.push(rateAt(low - 0.5));
    if ((learned ? top === last : !last.diverged) && high < HIGHEST) added.push(rateAt(high + 0.5));
    return added;
  }
}

// The trials of a block, those still wanted, and the best learning rates, as Python's
// `protocol.cells`.

import type { Curve } from "../engine/curve";
import { network, type Network } from "../engine/network";
import { keyOf, type Trial, trial } from "../engine/trial";
import type { Facts } from "../made/described";
import type { Axis, Block, Changes, Level } from "../made/experiment";
import { TUNING_SEED } from "../made/protocol";
import { highest, mean, most } from "./numbers";

export const BEST = "best";

export type Curves = ReadonlyMap<string, Curve>; // by the key of their trial
export type At = NonNullable<Block["at"]>[number];
export type Levels = { [axis: string]: string };

export interface Cell {
  levels: Levels;
  name: string; // in words, from what differs between cells
  settings: Changes;
  data: Facts;
}

const keys = new WeakMap<Trial, string>();

// The trial's key; asked for again in every round.
export function key(one: Trial): string {
  const found = keys.get(one) ?? keyOf(one);
  keys.set(one, found);
  return found;
}

export const idOf = (at: At) => (at.type === "host" ? `at-${at.level}` : at.type === "equal" ? (at.id ?? "equal") : at.id);
export const nameOf = (at: Exclude<At, { type: "host" }>) => (at.type === "equal" ? (at.name ?? "at equal learning rates") : at.name);
export const atOf = (block: Block): At[] => block.at ?? [{ type: "given", id: BEST, name: "as set" }];

// Changes laid over others.
export function over(above: Changes, below: Changes): Changes {
  return { network: { ...below.network, ...above.network }, trial: { ...below.trial, ...above.trial }, ...(above.data || below.data ? { data: above.data || below.data } : {}) };
}

export function makeTrial(settings: Changes, data: Facts, seed: number): Trial {
  const made = { time_steps: data.time_steps, ...settings.network, inputs: data.inputs, outputs: data.outputs };
  return trial({ ...(settings.trial as Partial<Trial>), network: network(made as Parameters<typeof network>[0] & Network), data: data.name, seed });
}

// The product of some axes; the last varies fastest.
export function product(axes: Axis[]): [Axis, Level][][] {
  return axes.reduce<[Axis, Level][][]>((made, axis) => made.flatMap((levels) => axis.levels.map((level) => [...levels, [axis, level] as [Axis, Level]])), [[]]);
}

// The axis of the arms; the first one where none is called so.
export const armAxis = (block: Block) => block.axes.find((axis) => axis.id === "arm") ?? block.axes[0]!;

export class Cells {
  readonly cells: Cell[];
  readonly rates: number[];
  score: (curve: Curve) => number = () => NaN;
  private made = new Map<string, Trial[]>();
  private scored = new Map<string, number>();
  private byLevels: Map<string, Cell>;

  constructor(readonly block: Block, data: { [name: string]: Facts }, about: string) {
    this.rates = block.rates ?? [];
    this.cells = product(block.axes).map((levels) => {
      const settings = levels.reduce((made, [, level]) => over(level.changes ?? {}, made), block.base);
      const several = levels.filter(([axis]) => axis.levels.length > 1);
      return {
        levels: Object.fromEntries(levels.map(([axis, level]) => [axis.id, level.id])),
        name: several.map(([axis, level]) => (level.at == null ? level.name : `${axis.name} ${level.name}`)).join(", "),
        settings,
        data: data[settings.data || about]!,
      };
    });
    this.byLevels = new Map(this.cells.map((cell) => [this.named(cell.levels), cell]));
  }

  private named(levels: Levels): string {
    return this.block.axes.map((axis) => levels[axis.id]).join("\n");
  }

  // The cell of a level of each axis; what else is named is no matter.
  cell(levels: Levels): Cell {
    const found = this.byLevels.get(this.named(levels));
    if (!found) throw new Error(`block ${this.block.id} has no cell ${JSON.stringify(levels)}`);
    return found;
  }

  // A cell's trials at a learning rate, seed by seed.
  trials(cell: Cell, rate: number | null, search = false): Trial[] {
    const name = `${this.named(cell.levels)}\n${rate}\n${search}`;
    const found = this.made.get(name);
    if (found) return found;
    let settings = search ? cell.settings : over(this.block.measuring ?? {}, cell.settings);
    if (rate !== null) settings = over({ trial: { learning_rate: rate } }, settings);
    const first = (this.block.first ?? 0) + (search ? TUNING_SEED : 0);
    const many = search ? (this.block.tuning ?? 0) : this.block.seeds;
    const made = Array.from({ length: many }, (_, i) => makeTrial(settings, cell.data, first + i));
    this.made.set(name, made);
    return made;
  }

  keys(cell: Cell, rate: number | null, search = false): string[] {
    return this.trials(cell, rate, search).map(key);
  }

  // Trials of cells at rates, seed by seed over all of them: a part is worth having.
  wanted(cells: [Cell, number | null][], search: boolean): Trial[] {
    const rows = cells.map(([cell, rate]) => this.trials(cell, rate, search));
    return (rows[0] ?? []).flatMap((_, seed) => rows.map((row) => row[seed]!));
  }

  get searched(): [Cell, number][] {
    return this.cells.flatMap((cell) => this.rates.map((rate): [Cell, number] => [cell, rate]));
  }

  // Whether every learning rate can be chosen.
  ready(curves: Curves): boolean {
    return this.searched.every(([cell, rate]) => this.keys(cell, rate, true).every((name) => curves.has(name)));
  }

  // Of each rate, the mean score over the tuning seeds; NaN where curves are missing.
  scores(cell: Cell, curves: Curves): number[] {
    return this.rates.map((rate) => mean(this.keys(cell, rate, true).map((name) => this.scoreOf(name, curves))));
  }

  private scoreOf(name: string, curves: Curves): number {
    const curve = curves.get(name);
    if (!curve) return NaN;
    if (!this.scored.has(name)) this.scored.set(name, this.score(curve));
    return this.scored.get(name)!;
  }

  best(curves: Curves): Map<Cell, number> {
    return new Map(this.cells.map((cell) => [cell, this.rates[highest(this.scores(cell, curves))]!]));
  }

  // The learning rate of each cell; null where the settings have it. `other` has that of another
  // block's cell, and `least` is the score of one that has learned something.
  ratesAt(at: At, curves: Curves, least: number, other: (levels: Levels) => number): Map<Cell, number | null> {
    if (at.type === "given") return new Map(this.cells.map((cell) => [cell, null]));
    if (at.type === "rate-of") return new Map(this.cells.map((cell) => [cell, other({ ...cell.levels, ...at.cell })]));
    if (at.type === "equal") return this.together(at, curves);
    const best = this.best(curves);
    if (at.type === "host") {
      const host = [...best].find(([cell]) => cell.levels[at.axis] === at.level)![1];
      return new Map(this.cells.map((cell) => [cell, host]));
    }
    if (at.type === "among") {
      const tried = this.rates.flatMap((rate, i) => (at.rates.includes(rate) ? [i] : []));
      for (const cell of this.cells) {
        const scores = this.scores(cell, curves);
        // Who learned nothing learns nothing on a part of it.
        if (most(scores) >= least) best.set(cell, this.rates[tried[highest(tried.map((i) => scores[i]!))]!]!);
      }
    }
    return best;
  }

  private together(at: Extract<At, { type: "equal" }>, curves: Curves): Map<Cell, number> {
    const axis = at.axis ?? "arm";
    const rest = (cell: Cell) => this.named({ ...cell.levels, [axis]: "" });
    const found = new Map<Cell, number>();
    for (const group of new Set(this.cells.map(rest))) {
      const cells = this.cells.filter((cell) => rest(cell) === group);
      const deciding = cells.filter((cell) => !at.levels?.length || at.levels.includes(cell.levels[axis]!));
      const scores = deciding.map((cell) => this.scores(cell, curves).map((score) => (Number.isNaN(score) ? -Infinity : score)));
      const total = this.rates.map((_, i) => {
        const own = scores.map((row) => row[i]!);
        return at.by === "min" ? Math.min(...own) : own.reduce((a, b) => a + b);
      });
      for (const cell of cells) found.set(cell, this.rates[highest(total)]!);
    }
    return found;
  }

  // Cells whose best learning rate is the lowest or the highest tried, and which have learned.
  atEdge(curves: Curves, least: number): [Cell, number][] {
    if (this.rates.length < 2) return [];
    const ends = [this.rates[0], this.rates.at(-1)];
    return [...this.best(curves)].filter(([cell, rate]) => ends.includes(rate) && most(this.scores(cell, curves)) >= least);
  }
}

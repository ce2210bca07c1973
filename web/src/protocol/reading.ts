// What the curves of an experiment show: values of cells, goals, effects, as Python's
// `protocol.reading`.

import type { Curve } from "../engine/curve";
import type { Facts } from "../made/described";
import type { Along, Block, Experiment, Mean, Measure, Ratio, Row, Value } from "../made/experiment";
import { atOf, BEST, type Cell, type Cells, type Curves, idOf, type Levels, nameOf } from "./cells";
import { type Effect, meanEffect, ratioEffect } from "./effects";
import { general } from "./format";
import { type Chosen, chosen } from "./goals";
import { type About, level, MEASURES } from "./measures";
import { finite, highest, mean, median } from "./numbers";

export type Expr = NonNullable<Row["of"]>;
type EffectSpec = Experiment["effects"][number];

// Every value in an expression or effect, in the order in which they are written.
export function valuesIn(found: unknown): Value[] {
  if (!found || typeof found !== "object") return [];
  return (found as Value).type === "value" ? [found as Value] : Object.values(found).flatMap(valuesIn);
}

// An expression in a cell, as far as its values name no other level.
export function where<T>(found: T, cell: Levels): T {
  if (!found || typeof found !== "object" || Array.isArray(found)) return found;
  const value = found as unknown as Value;
  if (value.type === "value") return { ...found, cell: { ...cell, ...value.cell } };
  return Object.fromEntries(Object.entries(found).map(([name, part]) => [name, where(part, cell)])) as T;
}

export class Reading {
  readonly data: Facts;
  readonly floor: number;
  readonly least: number; // the metric of a network that has learned something
  private rateMaps = new Map<string, Map<Cell, number | null>>();
  private goals = new Map<string, Chosen | null>();
  private mask?: boolean[];
  private found?: Map<string, Effect>;

  constructor(readonly experiment: Experiment, data: { [name: string]: Facts }, readonly cells: Map<string, Cells>, readonly curves: Curves) {
    this.data = data[experiment.data]!;
    this.floor = this.data.chance;
    this.least = this.floor + this.data.noise;
  }

  // ---- cells ----

  // A block by its id; the first if none is named.
  block(name = ""): Block {
    return this.experiment.blocks.find((block) => !name || block.id === name)!;
  }

  of(block = ""): Cells {
    return this.cells.get(this.block(block).id)!;
  }

  rates(block = "", at = BEST): Map<Cell, number | null> {
    const cells = this.of(block);
    const name = `${cells.block.id}\n${at}`;
    const known = this.rateMaps.get(name);
    if (known) return known;
    const how = atOf(cells.block).find((each) => idOf(each) === at);
    if (!how) throw new Error(`block ${cells.block.id} is not measured at ${at}`);
    const found = cells.ratesAt(how, this.curves, this.least, (levels) => {
      const other = how.type === "rate-of" ? how.block : "";
      return this.rates(other).get(this.of(other).cell(levels))!;
    });
    this.rateMaps.set(name, found);
    return found;
  }

  // The learning rates at which a block is measured, id and words; of two hosts whose best is the
  // same rate, only the first.
  kinds(block = ""): Map<string, string> {
    const said = new Map<string, string>();
    const hosts = new Set<number>();
    for (const at of atOf(this.block(block))) {
      if (at.type !== "host") said.set(idOf(at), nameOf(at));
      else {
        const rate = [...this.rates(block, idOf(at)).values()][0]!;
        if (!hosts.has(rate)) said.set(idOf(at), `all at learning rate ${general(rate)}`);
        hosts.add(rate);
      }
    }
    return said;
  }

  keys(cell: Cell, block = "", at = BEST): string[] {
    return this.of(block).keys(cell, this.rates(block, at).get(cell)!);
  }

  // A cell's curves, of the seeds that are whole.
  runs(cell: Cell, block = "", at = BEST): Curve[] {
    const keys = this.keys(cell, block, at);
    return this.whole.flatMap((there, i) => (there && i < keys.length ? [this.curves.get(keys[i]!)!] : []));
  }

  // Seeds of which every cell of every block has finished at all learning rates.
  get whole(): boolean[] {
    if (this.mask) return this.mask;
    const { blocks } = this.experiment;
    const ready = [...this.cells.values()].every((cells) => cells.ready(this.curves));
    const found = Array<boolean>(Math.min(...blocks.map((block) => block.seeds))).fill(ready);
    if (ready) {
      for (const block of blocks) for (const at of atOf(block)) for (const cell of this.of(block.id).cells) {
        const keys = this.keys(cell, block.id, idOf(at));
        found.forEach((there, i) => (found[i] = there && this.curves.has(keys[i]!)));
      }
    }
    return (this.mask = found);
  }

  get seeds(): number {
    return this.whole.filter(Boolean).length;
  }

  // Why there is nothing to compare, yet or at all; "" if there is.
  nothing(): string {
    if (!this.seeds) return "nothing is measured yet";
    if (this.experiment.trained === false) return "";
    const learned = this.experiment.blocks.some((block) => this.of(block.id).cells.some((cell) => median(this.ofCell({ name: "level" }, cell, block.id)) >= this.least));
    return learned ? "" : "no network learned anything, so there is nothing to compare";
  }

  // ---- values over seeds, NaN for a seed that has none ----

  values(of: Expr): number[] {
    switch (of.type) {
      case "value":
        return this.ofCell(of.measure, this.of(of.block).cell(of.cell), of.block, of.at);
      case "minus": {
        const b = this.values(of.b);
        return this.values(of.a).map((value, i) => value - b[i]!);
      }
      case "abs":
        return this.values(of.of).map(Math.abs);
      case "clip":
        return this.values(of.of).map((value) => (Number.isNaN(value) ? of.most : Math.min(Math.max(value, -of.most), of.most)));
      case "way":
        return this.values(of.of).map((value) => (value - this.floor) / (this.goal(of.goal) - this.floor));
      case "along":
        return this.along(of);
      default:
        throw new Error(`what is called ${of.type} is not computed in a page`);
    }
  }

  mean(of: Expr): number {
    const found = finite(this.values(of));
    return found.length ? mean(found) : NaN;
  }

  ofCell(measure: Measure, cell: Cell, block = "", at = BEST): number[] {
    const read = MEASURES[measure.name];
    if (!read) throw new Error(`what is called ${measure.name} is not measured in a page`);
    const about = this.about(measure, cell);
    return this.runs(cell, block, at).map((curve) => read(curve, about));
  }

  // What a measure needs to know besides a curve of this cell.
  about(measure: Measure, cell: Cell): About {
    return {
      floor: cell.data.chance,
      goal: measure.goal ? this.goal(measure.goal) : NaN,
      loss: measure.share ? measure.share * cell.data.guess_loss : NaN,
    };
  }

  private along(of: Along): number[] {
    const { levels } = this.block(of.of.block).axes.find((axis) => axis.id === of.axis)!;
    const found = levels.map((one) => this.values(where(of.of, { [of.axis]: one.id })));
    const places = levels.map((one) => one.at ?? NaN);
    const goal = of.how === "highest" ? NaN : this.goal(of.goal);
    return found[0]!.map((_, seed) => {
      const values = found.map((row) => row[seed]!);
      if (values.some(Number.isNaN)) return NaN;
      if (of.how === "highest") return places[highest(values)]!;
      const reached = values.map((value) => value >= goal);
      if (of.how === "width") return (of.spacing ?? 1) * reached.filter(Boolean).length;
      const first = reached.indexOf(false);
      return Math.max(1, ...places.slice(0, first < 0 ? places.length : first));
    });
  }

  // ---- goals ----

  goal(name = "goal"): number {
    return this.chosen(name)?.value ?? NaN;
  }

  // A goal and how it was chosen.
  chosen(name = "goal"): Chosen | null {
    const known = this.goals.get(name);
    if (known !== undefined) return known;
    const spec = this.experiment.goals!.find((goal) => (goal.id ?? "goal") === name)!;
    const tops = new Map<string, number>();
    for (const cell of this.of(spec.block).cells) {
      const arm = cell.levels[spec.axis ?? "arm"]!;
      const ends = this.runs(cell, spec.block, spec.at).map((run) => level(run, { floor: this.floor }));
      if (spec.levels.includes(arm) && ends.length) tops.set(arm, Math.max(tops.get(arm) ?? -Infinity, median(ends)));
    }
    const found = tops.size < spec.levels.length ? null : chosen(tops, this.floor, this.data.noise, spec.share);
    this.goals.set(name, found);
    return found;
  }

  // ---- effects ----

  // All effects by their ids, but those at a host's learning rate that is another host's, too.
  get effects(): Map<string, Effect> {
    const there = (spec: EffectSpec) => valuesIn(spec).every((value) => this.kinds(value.block).has(value.at ?? BEST));
    this.found ??= new Map(this.experiment.effects.filter(there).map((spec) => [spec.id, this.effect(spec)]));
    return this.found;
  }

  private effect(spec: EffectSpec): Effect {
    if (spec.type !== "mean" && spec.type !== "ratio") throw new Error(`an effect called ${spec.type} is not computed in a page`);
    const found = spec.type === "mean" ? this.meanOf(spec) : this.ratioOf(spec);
    const [of] = valuesIn(spec);
    const at = of ? (this.kinds(of.block).get(of.at ?? BEST) ?? "") : "";
    const label = spec.label.replaceAll("{at}", at);
    return { ...found, label, id: spec.id, about: spec.about || label };
  }

  private meanOf(spec: Mean): Effect {
    return meanEffect(spec.label, this.values(spec.of).map((value) => (spec.times ?? 1) * value), spec.unit);
  }

  private ratioOf(spec: Ratio): Effect {
    const above = this.values(spec.above);
    const below = spec.below ? this.values(spec.below) : above.map(() => 1);
    return ratioEffect(spec.label, above, below.map((value) => (spec.by ?? 1) * value), spec.unit);
  }
}

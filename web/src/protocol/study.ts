// An experiment on its data: what is to be trained, and what follows from the curves, as Python's
// `protocol.study`.

import type { Trial } from "../engine/trial";
import type { Facts } from "../made/described";
import type { Experiment } from "../made/experiment";
import type { Place, Statement, TrialShown, Verdict } from "../made/messages";
import { FEW } from "../made/protocol";
import { atOf, type Cell, Cells, type Curves, idOf, key } from "./cells";
import { figure } from "./drawn";
import type { Described } from "./experiments";
import { general } from "./format";
import { why } from "./goals";
import { MEASURES } from "./measures";
import { shownOf } from "./places";
import { Reading } from "./reading";
import { decide, type Decision, verdictOn } from "./rule";
import { setting } from "./setting";
import { amount, count } from "./wording";

// Runs wanted next, in the order in which results are most useful if interrupted; and a guess of
// how many follow after these.
export interface Round {
  phase: "tuning" | "measuring" | "timing";
  trials: Trial[];
  later: number;
}

export interface Study {
  experiment: Experiment;
  statement: Statement;
  trials(curves: Curves): Round; // then none
  timing(curves: Curves): Trial[]; // to be timed alone, one after the other; [] if time is no matter
  verdict(curves: Curves, timed: Timed[]): Verdict;
  shown(curves: Curves, trials: Trial[]): TrialShown[]; // for the page's charts
}

// A timed run: its trial, and seconds for each of its steps; null if it did not finish.
export interface Timed {
  trial: Trial;
  each: number | null;
}

// Of some trials, those that are missing, each once.
export function missing(trials: Trial[], curves: Curves): Trial[] {
  return [...new Map(trials.map((one) => [key(one), one])).values()].filter((one) => !curves.has(key(one)));
}

// The verdict in a sentence: what happened on these data, where that is data too, and what it means
// for the claim. (A claim's own prose is a part of Python.)
export function sentence(name: string, happened: string, phrase: string, decided: Decision): string {
  const said = verdictOn(phrase, decided);
  return happened ? `${name}: ${happened}. ${said[0]!.toUpperCase()}${said.slice(1)}.` : `${name}: ${said}.`;
}

export class ClaimStudy implements Study {
  readonly experiment: Experiment;
  readonly statement: Statement;
  readonly cells: Map<string, Cells>;
  private data: { [name: string]: Facts };

  constructor(described: Described) {
    const { experiment, statement, data } = described;
    [this.experiment, this.statement, this.data] = [experiment, statement, data];
    const beyond = [experiment.picks?.length, experiment.goals?.some((goal) => goal.own || goal.at === "search"), experiment.effects.some((effect) => effect.learned)];
    if (beyond.some(Boolean)) throw new Error(`the experiment of ${experiment.claim} asks for what is not computed in a page`);
    this.cells = new Map(experiment.blocks.map((block) => [block.id, new Cells(block, data, experiment.data)]));
    for (const cells of this.cells.values()) {
      const score = cells.block.score;
      if (!score) continue;
      const about = new Reading(experiment, data, this.cells, new Map()).about(score, cells.cells[0]!);
      cells.score = (curve) => MEASURES[score.name]!(curve, about);
    }
  }

  reading(curves: Curves): Reading {
    return new Reading(this.experiment, this.data, this.cells, curves);
  }

  // First the search for learning rates, then the measurement, seed by seed over everything.
  trials(curves: Curves): Round {
    const all = [...this.cells.values()];
    const waiting = all.filter((cells) => !cells.ready(curves));
    if (waiting.length) {
      const later = all.reduce((sum, { cells, block }) => sum + cells.length * block.seeds * atOf(block).length, 0);
      return { phase: "tuning", trials: missing(waiting.flatMap((cells) => cells.wanted(cells.searched, true)), curves), later };
    }
    const reading = this.reading(curves);
    const found = all.flatMap((cells) => atOf(cells.block).flatMap((at) => cells.wanted([...reading.rates(cells.block.id, idOf(at))], false)));
    return { phase: "measuring", trials: missing(found.sort((a, b) => a.seed - b.seed), curves), later: 0 };
  }

  timing(): Trial[] {
    return [];
  }

  verdict(curves: Curves): Verdict {
    const { experiment } = this;
    const reading = this.reading(curves);
    const [first] = this.cells.values();
    const rate = first!.rates[0] ?? null;
    const measured_on = setting(reading.data, first!.cells.map((cell) => first!.trials(cell, rate)[0]!), reading.seeds);
    const nothing = reading.nothing() || (experiment.goals?.some((goal) => !reading.chosen(goal.id)) ? "no arm learned anything, so there is no goal" : "");
    const none = { measured_on, effects: [], notes: [], figures: [], tables: [], change: "", note: "" };
    if (nothing) return { ...none, answer: "cannot tell", reason: nothing, sentence: `${experiment.data}: ${nothing}.` };
    const decided = decide(experiment.rule, reading.effects);
    const effects = [...reading.effects.values()];
    return {
      ...none,
      answer: decided.answer,
      reason: decided.reason,
      sentence: sentence(experiment.data, "", experiment.phrase, decided),
      effects: effects.sort((a, b) => Number(a.id !== decided.effect) - Number(b.id !== decided.effect)),
      notes: notes(reading),
      figures: (experiment.figures ?? []).map((spec) => figure(spec, reading)),
      change: experiment.change ?? "",
      note: decided.note,
    };
  }

  // The same trial may stand in several cells; it is trained once.
  shown(curves: Curves, trials: Trial[]): TrialShown[] {
    const found = new Map<string, { phase: Round["phase"]; places: Place[] }>();
    const add = (name: string, phase: Round["phase"], place: Place) => {
      if (!found.has(name)) found.set(name, { phase, places: [] });
      found.get(name)!.places.push(place);
    };
    const reading = this.reading(curves);
    const ready = [...this.cells.values()].every((cells) => cells.ready(curves));
    for (const [block, cells] of this.cells) for (const cell of cells.cells) {
      for (const rate of cells.rates) {
        for (const name of cells.keys(cell, rate, true)) add(name, "tuning", { block, cell: cell.levels, at: [] });
      }
      const at = new Map<string, string[]>();
      for (const each of ready ? atOf(cells.block) : []) {
        for (const name of reading.keys(cell, block, idOf(each))) at.set(name, [...(at.get(name) ?? []), idOf(each)]);
      }
      for (const [name, ids] of at) add(name, "measuring", { block, cell: cell.levels, at: ids });
    }
    return trials.map((trial) => shownOf(trial, found.get(key(trial))!.phase, found.get(key(trial))!.places));
  }
}

// What holds of any experiment: its goals, best rates at an edge, runs that diverged or are missing.
function notes(reading: Reading): string[] {
  const { experiment, data } = reading;
  const said: string[] = [];
  for (const goal of experiment.goals ?? []) {
    const chosen = reading.chosen(goal.id)!;
    said.push(`The goal, ${amount(data, chosen.value)}, is ${why(chosen, ` (${amount(data, reading.floor)})`, ` (${amount(data, chosen.bar)})`)}.`);
  }
  for (const block of experiment.blocks) said.push(...edges(reading, block.id), ...diverged(reading, block.id));
  const wanted = Math.min(...experiment.blocks.map((block) => block.seeds));
  if (reading.seeds < wanted) said.push(`Only ${reading.seeds} of ${wanted} seeds were measured.`);
  return said;
}

const named = (cell: Cell) => (cell.name ? ` of “${cell.name}”` : "");

function edges(reading: Reading, block: string): string[] {
  const cells = reading.of(block);
  const found = cells.atEdge(reading.curves, reading.least);
  if (found.length > FEW) {
    return [`For ${found.length} of ${cells.cells.length} combinations the best learning rate is the lowest or highest tried: a better one may lie beyond.`];
  }
  return found.map(([cell, rate]) => {
    const end = rate === cells.rates[0] ? "lowest" : "highest";
    return `The best learning rate${named(cell)} is the ${end} tried, ${general(rate)}: a better one may lie beyond.`;
  });
}

function diverged(reading: Reading, block: string): string[] {
  const at = atOf(reading.block(block));
  if (at.every((each) => each.type === "host")) return [];
  const { cells } = reading.of(block);
  const runs = cells.map((cell) => reading.runs(cell, block, idOf(at[0]!)));
  const gone = runs.map((own) => own.filter((run) => run.ended === "diverged").length);
  const lost = gone.filter(Boolean);
  if (lost.length > FEW) {
    const all = lost.reduce((a, b) => a + b);
    return [`In ${lost.length} of ${cells.length} combinations runs diverged, ${all} in all; such a run counts as chance.`];
  }
  return cells.flatMap((cell, i) => (gone[i] ? [`${gone[i]} of ${count(runs[i]!.length, "run")}${named(cell)} diverged; such a run counts as chance.`] : []));
}

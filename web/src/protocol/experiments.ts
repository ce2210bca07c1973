// From what a chapter asks for to its experiment, as Python's `lesson.chapters`: by the description
// and the patches that Python wrote.

import type { Facts, Family, Made, Named } from "../made/described";
import type { Changes, Experiment } from "../made/experiment";
import type { Arm, Statement } from "../made/messages";
import { POINTS } from "../made/protocol";
import { over } from "./cells";
import { general } from "./format";
import { RaceStudy } from "./race";
import { unpacked } from "./recipes";
import { ClaimStudy, type Study } from "./study";

export type Families = { [name: string]: Family };
export type Settings = { [name: string]: unknown };

// An experiment, what it states before any result, and what is to be known of its data sets.
export interface Described {
  experiment: Experiment;
  statement: Statement;
  data: { [name: string]: Facts };
}

let sets: { [name: string]: Made } = {};

// The experiments of the page, fetched when they are first asked for.
export async function families(): Promise<Families> {
  const found = (await import("../made/experiments.json")) as unknown as { default: { families: Families; sets: typeof sets } };
  sets = found.default.sets;
  return found.default.families;
}

// A value with a patch laid over it (JSON merge patch, RFC 7386, by place in lists).
export function merged<T>(value: T, patch: unknown): T {
  if (!patch || typeof patch !== "object" || Array.isArray(patch)) return patch as T;
  const made = (Array.isArray(value) ? [...(value as unknown[])] : value && typeof value === "object" ? { ...value } : {}) as { [name: string]: unknown };
  for (const [name, part] of Object.entries(patch)) {
    if (part !== null) made[name] = merged(made[name], part);
    else if (Array.isArray(made)) made.length = Math.min(made.length, +name);
    else delete made[name];
  }
  return made as T;
}

// With its recipes, and what is known of its data sets.
function whole({ experiment, statement, sets: names }: Named): Described {
  const of = <T>(part: (one: Made) => T) => Object.fromEntries(names.map((name) => [name, part(sets[name]!)]));
  return { experiment: { ...experiment, recipes: of(({ recipe }) => unpacked(recipe)) }, statement, data: of(({ facts }) => facts) };
}

// The experiment that a chapter's settings describe, whatever they leave out as it is at first.
export function describedOf(all: Families, chapter: string, settings: Settings): Described {
  const family = Object.values(all).find((one) => one.chapter === chapter && (chapter !== "claim" || one.described.experiment.claim === settings.claim));
  if (!family) throw new Error(`there is no experiment ${chapter} ${settings.claim ?? ""} in a page`);
  let named = family.described;
  for (const [setting, patches] of Object.entries(family.patches)) {
    const value = settings[setting];
    if (value === undefined) continue;
    const patch = patches[`${Array.isArray(value) ? value.length : value}`];
    if (!patch) throw new Error(`${setting} is ${JSON.stringify(value)}; a page has ${Object.keys(patches).join(", ")}`);
    named = merged(named, patch);
  }
  let made = whole(named);
  if (chapter === "bench") made = dialled(made, settings);
  if (chapter === "factory") made = mixed(made, family.columns, settings);
  return { ...made, experiment: onSeeds(made.experiment, settings) };
}

export function studyOf(all: Families, chapter: string, settings: Settings): Study {
  const made = describedOf(all, chapter, settings);
  return made.experiment.race ? new RaceStudy(made) : new ClaimStudy(made);
}

// The same question on so many seeds, from the first on.
function onSeeds(experiment: Experiment, settings: Settings): Experiment {
  const { seeds, seed = 0 } = settings as { seeds?: number; seed?: number };
  const moved = <T extends { seeds: number }>(part: T): T => ({ ...part, ...(seed ? { first: seed } : {}), seeds: seeds ?? part.seeds });
  return { ...experiment, blocks: experiment.blocks.map(moved), race: experiment.race && moved(experiment.race) };
}

const OF_TRIAL = ["optimizer", "learning_rate", "batch_size", "weight_decay"];

// The workbench's arms and steps.
function dialled(made: Described, { arms, steps }: { arms?: Partial<Arm>[]; steps?: number }): Described {
  const [block] = made.experiment.blocks as [Experiment["blocks"][number]];
  const levels = block.axes[0]!.levels.map((level, i) => (arms ? { ...level, changes: changesOf(arms[i]!, level.changes!) } : level));
  const often = steps === undefined ? {} : { steps, evaluate_every: Math.max(1, Math.floor(steps / POINTS)) };
  const blocks = [{ ...block, axes: [{ ...block.axes[0]!, levels }], base: { ...block.base, trial: { ...block.base.trial, ...often } } }];
  return { ...made, experiment: { ...made.experiment, blocks } };
}

// An arm's settings; what it leaves out is as in `plain`.
function changesOf({ depth, width, ...rest }: Partial<Arm>, plain: Changes): Changes {
  const of = (kept: (name: string) => boolean) => Object.fromEntries(Object.entries(rest).filter(([name]) => kept(name)));
  const usual = plain.network!.hidden as number[];
  const hidden = Array<number>(depth ?? usual.length).fill(width ?? usual[0]!);
  return over({ network: { ...of((name) => !OF_TRIAL.includes(name)), hidden }, trial: of((name) => OF_TRIAL.includes(name)) }, plain);
}

// The cookies with other amounts of their ingredients, and the learning rate.
function mixed(made: Described, columns: string[], settings: { amounts?: { [name: string]: number }; rate?: number }): Described {
  const { experiment } = made;
  const [old, recipe] = Object.entries(experiment.recipes!)[0]!;
  const changed = Object.entries(settings.amounts ?? {}).filter(([, factor]) => factor !== 1).sort(([a], [b]) => (a < b ? -1 : 1));
  const [step] = recipe.steps;
  if (step?.type !== "rescale") throw new Error("the factory's recipe does not rescale");
  const suffix = changed.map(([name, factor]) => `${general(factor)} × ${name}`).join(", ") || step.suffix;
  const name = `${recipe.of}, ${suffix}`;
  const amounts = Object.fromEntries(changed);
  for (const [unknown] of changed) if (!columns.includes(unknown)) throw new Error(`there is no ingredient ${JSON.stringify(unknown)}`);
  // The factors are written as one over each column's size, which is a power of ten.
  const factors = step.factors.map((one, i) => (amounts[columns[i]!] ?? 1) / (1 / one));
  const rate = settings.rate === undefined ? {} : { learning_rate: settings.rate };
  const blocks = experiment.blocks.map((block) => ({ ...block, base: over({ trial: rate }, block.base) }));
  return {
    ...made,
    experiment: { ...experiment, data: name, recipes: { [name]: { ...recipe, steps: [{ ...step, factors, suffix }] } }, blocks },
    data: { [name]: { ...made.data[old]!, name } },
  };
}

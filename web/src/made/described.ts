// Made from Python's types by web/made.py; whoever changes those runs it again.

import type { Experiment } from "./experiment";
import type { Recipe } from "./experiment";
import type { Statement } from "./messages";

// What is to be known of a data set besides its rows: `chance` and `noise` of its metric, and
// the loss of a guess (`protocol.goals`).
export interface Facts {
  name: string;
  task: string;
  inputs: number;
  outputs: number;
  time_steps: number;
  train: number;
  test: number;
  chance: number;
  noise: number;
  guess_loss: number;
}

// An experiment with its chapter's first settings, and what other settings change: by the
// setting's name and its value, a patch; and the columns of its data, if a setting names them.
export interface Family {
  chapter: string;
  described: Named;
  patches: { [name: string]: { [name: string]: { [name: string]: unknown } } };
  columns: string[];
}

// A data set of an experiment: how it is made, and what is to be known of it. Chosen rows are
// written by how they were chosen (`packed`).
export interface Made {
  recipe: Recipe;
  facts: Facts;
}

// An experiment without its recipes, what it states before any result, and its data sets.
export interface Named {
  experiment: Experiment;
  statement: Statement;
  sets: string[];
}

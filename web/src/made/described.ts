// Made from Python's types by web/made.py; whoever changes those runs it again.

import type { Experiment } from "./experiment";
import type { Statement } from "./messages";

// An experiment, what it states before any result, and its data sets by name.
export interface Described {
  experiment: Experiment;
  statement: Statement;
  data: { [name: string]: Facts };
}

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
  described: Described;
  patches: { [name: string]: { [name: string]: { [name: string]: unknown } } };
  columns: string[];
}

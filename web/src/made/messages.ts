// Made from Python's types by web/made.py; whoever changes those runs it again.

// The training process was lost: trials and points come anew.
export interface Again {
  type: "again";
  run: number;
}

// An arm of the workbench: every knob of a trial.
export interface Arm {
  norm: "batch" | "group" | "layer" | "none" | "rms";
  placement: "after" | "before" | "input";
  depth: number;
  width: number;
  activation: "gelu" | "leaky_relu" | "relu" | "sigmoid" | "tanh";
  init: "he" | "torch" | "xavier";
  residual: number;
  dropout: number;
  eps: number;
  momentum: number;
  optimizer: "adam" | "adamw" | "momentum" | "sgd";
  learning_rate: number;
  batch_size: number;
  weight_decay: number;
}

// The layers of one arm's network, from the first on.
export interface ArmShown {
  arm: string;
  layers: LayerShown[];
}

export interface Axis {
  label: string;
  log: boolean;
  percent: boolean;
  names: string[];
  id: string;
  ids: string[];
}

// The workbench.
export interface BenchSettings {
  data: "cookies" | "digits" | "mnist1d";
  arms: Arm[];
  steps: number;
  seeds: number;
  seed: number;
}

// What the trust corner shows.
export interface Checked {
  seed: number;
  gradient: { [name: string]: number | null };
  toggle: number | null;
  seconds: number | null;
}

// A claim of `evenbatch prove`, for the chapters that show one: 5 to 8.
export interface ClaimSettings {
  claim: string;
  data: "cookies" | "digits" | "mnist1d" | "stories";
  seeds: number;
  seed: number;
}

// The run has ended with a verdict.
export interface Concluded {
  type: "concluded";
  run: number;
  result: Result;
}

// A measured quantity with its 95 % interval over seeds.
export interface Effect {
  label: string;
  value: number | null;
  low: number | null;
  high: number | null;
  unit: string;
  bound: "" | "at least" | "at most";
  id: string;
  seeds: number;
  about: string;
}

// A trial has ended, at step `at`.
export interface Ended {
  type: "ended";
  run: number;
  trial: number;
  how: "diverged" | "finished";
  at: number;
}

// Chapter 1: factors of the ingredients' amounts.
export interface FactorySettings {
  amounts: { [name: string]: number };
  rate: number;
  seeds: number;
  seed: number;
}

// The run ended in an error.
export interface Failed {
  type: "failed";
  run: number;
  text: string;
}

export interface Figure {
  kind: "dots" | "lines" | "strips";
  title: string;
  alt: string;
  x: Axis;
  y: Axis;
  series: Series[];
  marks: Mark[];
  id: string;
}

// The page watches this run from now on; all there is of it follows. `settings` are those asked
// for, filled up with defaults.
export interface Joined {
  type: "joined";
  ask: number;
  run: number;
  settings: { [name: string]: unknown };
}

// What goes into a layer's decision, its activation: counts over equal bins from `low` to `high`
// and of what lies beyond, mean and spread.
export interface LayerShown {
  low: number | null;
  high: number | null;
  counts: number[];
  below: number;
  above: number;
  mean: number | null;
  std: number | null;
}

// What goes into the decisions of all arms' layers after `step`.
export interface Layers {
  step: number;
  arms: ArmShown[];
}

// A look inside the networks while they train.
export interface Looked {
  type: "looked";
  run: number;
  layers: Layers;
}

// A line across the figure at a value worth knowing: "chance", "1/√N".
export interface Mark {
  label: string;
  value: number | null;
  axis: "x" | "y";
  series: string;
  id: string;
}

// Where a trial stands in its experiment.
export interface Place {
  block: string;
  cell: { [name: string]: string };
  at: string[];
}

// What is under way, and how many of its trials have ended.
export interface Progress {
  type: "progress";
  run: number;
  phase: "measuring" | "timing" | "training" | "tuning";
  done: number;
  total: number;
}

// Chapter 3.
export interface RaceSettings {
  data: "cookies" | "digits" | "mnist1d";
  norm: "batch" | "group" | "layer" | "rms";
  depth: number;
  init: "he" | "torch" | "xavier";
  optimizer: "adam" | "adamw" | "momentum" | "sgd";
  seeds: number;
  seed: number;
}

// Chapter 4.
export interface RatesSettings {
  data: "cookies" | "digits" | "mnist1d";
  seeds: number;
  seed: number;
}

// A run that is over, with all that the page needs to show it.
export interface Recorded {
  when: string;
  machine: string;
  settings: { [name: string]: unknown };
  result: Result;
  trials: TrialShown[];
  count: number;
  layers: Layers[];
}

// A message was not acted on, and why; `ask` is None where it could not be read.
export interface Refused {
  type: "refused";
  ask: number | null;
  text: string;
}

// What an experiment found: `claim` is its id.
export interface Result {
  claim: string;
  statement: Statement;
  verdict: Verdict;
}

// One arm in a figure. NaN is a value that does not exist: nothing is drawn there.
export interface Series {
  name: string;
  x: (number | null)[];
  y: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
  id: string;
}

// Train what a chapter asks for, or join those who already watch the same.
export interface Start {
  type: "start";
  ask: number;
  chapter: string;
  settings: unknown;
}

// How the training process is.
export interface State {
  type: "state";
  state: "compiling" | "ready" | "restarting" | "starting";
}

// What an experiment states before any result.
export interface Statement {
  claim: string;
  question: string;
  arms: [string, string][];
  grid: string;
  fairness: string;
  measure: string;
  rule: string;
  source: string;
}

// No longer watch the run that this request was about; it ends early when nobody watches it.
export interface Stop {
  type: "stop";
  ask: number;
}

// The run was stopped.
export interface Stopped {
  type: "stopped";
  run: number;
}

export interface Table {
  title: string;
  columns: string[];
  rows: ((string | number | null)[])[];
  keys: string[][];
}

// A trial as the page knows it. `tested` is the batch size it is tested with, 0 for all rows at
// once; the rest is named as in `Network` and `Trial`, in short.
export interface TrialShown {
  key: string;
  seed: number;
  phase: "measuring" | "timing" | "training" | "tuning";
  places: Place[];
  norm: string;
  placement: string;
  depth: number;
  width: number;
  init: string;
  residual: number;
  rate: number;
  batch: number;
  steps: number;
  data: string;
  eps: number;
  affine: string;
  dropout: number;
  statistics: string;
  tested: number;
}

// What the run's trials are, from place `first` on.
export interface Trials {
  type: "trials";
  run: number;
  first: number;
  trials: TrialShown[];
}

// Check the gradients of the layers on the page against finite differences, now.
export interface Trust {
  type: "trust";
  ask: number;
}

// What the check of the gradients found, or why it failed.
export interface Trusted {
  type: "trusted";
  ask: number;
  checked: Checked | null;
  failed: string;
}

// What an experiment found.
export interface Verdict {
  answer: "cannot tell" | "does not hold" | "holds" | "holds in part";
  reason: string;
  sentence: string;
  effects: Effect[];
  measured_on: string;
  notes: string[];
  figures: Figure[];
  tables: Table[];
  change: string;
  note: string;
}

export type ToPage = State | Joined | Refused | Trusted | Trials | Ended | Looked | Progress | Again | Concluded | Failed | Stopped;

export type FromPage = Start | Stop | Trust;

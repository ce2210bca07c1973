// Made from Python's types by web/made.py; whoever changes those runs it again.

// The absolute value of `of`.
export interface Abs {
  type: "abs";
  of: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed;
}

// One more column that is the same in every row.
export interface AddColumn {
  type: "add-column";
  value: number;
  suffix: string;
}

// Values along an axis of numbers, seed by seed, in one number.
export interface Along {
  type: "along";
  of: Value;
  axis: string;
  how: string;
  goal?: string;
  spacing?: number;
}

// Every cell at the best of some of the learning rates; one that learned nothing at any rate
// keeps its best.
export interface Among {
  type: "among";
  rates: number[];
  id: string;
  name: string;
}

// What is varied: arms, depths, batch sizes.
export interface Axis {
  id: string;
  name: string;
  levels: Level[];
  log?: boolean;
}

// Every cell at its own best learning rate.
export interface Best {
  type: "best";
  id: string;
  name: string;
}

// 1 where a value is above half, else 0.
export interface BlackAndWhite {
  type: "black-and-white";
  suffix: string;
}

// Cells, each trained on every seed at some learning rates.
export interface Block {
  id: string;
  base: Changes;
  axes: Axis[];
  seeds: number;
  at?: (Best | Equal | HostRate | Among | RateOf | Given)[];
  rates?: number[];
  tuning?: number;
  score?: Measure | null;
  measuring?: Changes;
  first?: number;
}

// All of several conditions.
export interface Both {
  type: "both";
  of: (Interval | Both | Either | Each)[];
}

// Settings that differ from the defaults.
export interface Changes {
  network?: { [name: string]: unknown };
  trial?: { [name: string]: unknown };
  data?: string;
}

// An answer, when it is given, and why in a few words.
export interface Clause {
  answer: "cannot tell" | "does not hold" | "holds" | "holds in part";
  when: Interval | Both | Either | Each;
  because: string;
  note?: string;
  leads?: boolean;
}

// Cut at −most and most; NaN counts as most.
export interface Clip {
  type: "clip";
  of: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed;
  most: number;
}

// What stands in a table below a heading.
export interface Column {
  head: string;
  show?: string;
  of?: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed;
  words?: string;
  given?: (number | null)[];
}

// What no other expression describes.
export interface Computed {
  type: "computed";
  by: string;
  of: Value;
}

// A condition for several cases: "$" in the ids of its effects stands for the case.
export interface Each {
  type: "each";
  cases: { [name: string]: string };
  when: Interval | Both | Either | Each;
  how?: string;
}

// At least one of several conditions.
export interface Either {
  type: "either";
  of: (Interval | Both | Either | Each)[];
}

// Cells that differ only along `axis` share a learning rate: the one at which they score best
// together. A fair choice of equal settings, which none of the arms makes.
export interface Equal {
  type: "equal";
  axis?: string;
  levels?: string[];
  by?: string;
  id?: string;
  name?: string;
}

// What is asked, fixed before any result.
export interface Experiment {
  claim: string;
  phrase: string;
  states: string;
  question: string;
  measure: string;
  source: string;
  data: string;
  metric: string;
  blocks: Block[];
  effects: (Mean | Ratio | Part | Fewer)[];
  rule: Rule | PerPart;
  fairness?: string;
  change?: string;
  recipes?: { [name: string]: Recipe };
  goals?: Goal[];
  picks?: Pick[];
  figures?: (Ways | Over | Rates)[];
  tables?: TableSpec[];
  trained?: boolean;
  race?: RacePlan | null;
  on?: string;
}

// How many times fewer steps one cell needs to a goal than another, where some runs may never
// get there (`effects.Pairs`).
export interface Fewer {
  type: "fewer";
  id: string;
  label: string;
  unit: string;
  slow: Value;
  fast: Value;
  about?: string;
  learned?: boolean;
}

// Every cell at the learning rate that its settings say: nothing is searched.
export interface Given {
  type: "given";
  id: string;
  name: string;
}

// A metric to be reached.
export interface Goal {
  levels: string[];
  id?: string;
  block?: string;
  axis?: string;
  at?: string;
  share?: number;
  own?: boolean;
}

// All cells at the best learning rate of one level of an axis; left out where another level's
// best is the same rate.
export interface HostRate {
  type: "host";
  level: string;
  axis: string;
}

// Where an end of the 95 % interval lies, of an effect or of all whose id begins so.
export interface Interval {
  type: "interval";
  effects: string;
  end: string;
  sign: string;
  bound: number;
  how?: string;
}

// One value of an axis.
export interface Level {
  id: string;
  name: string;
  changes?: Changes;
  at?: number | null;
}

// Logarithm of steps to a goal; a run that did not reach it counts as its budget.
export interface LogSteps {
  type: "log-steps";
  of: Value;
}

// A line across: at chance, a goal, a number, or the mean of a value.
export interface MarkSpec {
  label: string;
  value?: number | null;
  goal?: string;
  of?: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed | null;
  axis?: "x" | "y";
  id?: string;
}

// The mean over seeds of a value, times a number.
export interface Mean {
  type: "mean";
  id: string;
  label: string;
  unit: string;
  of: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed;
  times?: number;
  about?: string;
  learned?: boolean;
}

// A number read off a curve.
export interface Measure {
  name: string;
  goal?: string;
  share?: number;
}

// a − b, seed by seed.
export interface Minus {
  type: "minus";
  a: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed;
  b: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed;
}

// A part of a claim: its effect, where it is, and the size that matters.
export interface OnePart {
  effect: string;
  where?: string;
  least?: number;
}

// The test rows in this order.
export interface OrderTests {
  type: "order-tests";
  order: number[];
  suffix: string;
}

// Values over the levels of an axis, or over places.
export interface Over {
  type: "over";
  id: string;
  title: string;
  alt: string;
  rows: Row[];
  y: string;
  x?: string;
  x_id?: string;
  y_id?: string;
  log?: string;
  percent?: boolean | null;
  marks?: MarkSpec[];
  block?: string;
  at?: string;
  kind: "dots" | "lines" | "strips";
  show: string;
  axis?: string;
  places?: Level[];
}

// mean(part) / mean(whole), both resampled together.
export interface Part {
  type: "part";
  id: string;
  label: string;
  unit: string;
  part: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed;
  whole: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed;
  about?: string;
  learned?: boolean;
}

// A gain of at least some size in each part of a claim.
export interface PerPart {
  type: "per-part";
  parts: OnePart[];
  gain: string;
  because: { [name: string]: string };
  alone?: { [name: string]: string };
  where?: string;
  zero?: number;
  needs?: { [name: string]: string };
}

// A level chosen by what was measured: the first at which an effect is clearly large enough.
export interface Pick {
  id: string;
  levels: string[];
  effect: Mean | Ratio | Part | Fewer;
  least: number;
}

// Two arms to a goal, in steps and in seconds (`race.Race`).
export interface RacePlan {
  base: Changes;
  arms: Axis;
  steps: number;
  rates: number[];
  growing: boolean;
  seeds: number;
  tuning: number;
  first?: number;
  goal?: number | null;
}

// All cells at the best learning rate of a cell of another block: the same networks, used in
// other ways. `cell` names the levels; an axis that both blocks have may be left out.
export interface RateOf {
  type: "rate-of";
  block: string;
  cell: { [name: string]: string };
  id: string;
  name: string;
}

// The mean score of each learning rate over the tuning seeds, as strips.
export interface Rates {
  type: "rates";
  id: string;
  title: string;
  alt: string;
  rows: Row[];
  y: string;
  x?: string;
  x_id?: string;
  y_id?: string;
  log?: string;
  percent?: boolean | null;
  marks?: MarkSpec[];
  block?: string;
  at?: string;
}

// The geometric mean over seeds of above / below; of above alone if below is left out.
export interface Ratio {
  type: "ratio";
  id: string;
  label: string;
  unit: string;
  above: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed;
  below?: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed | null;
  by?: number;
  about?: string;
  learned?: boolean;
}

// A data set: the name of the one it is made from, and the steps.
export interface Recipe {
  of: string;
  steps: (Standardize | StandardizeTarget | Rescale | BlackAndWhite | AddColumn | TakeRows | TakeTests | TakeTargets | OrderTests)[];
}

// Each column times a factor, as if it were written in another unit.
export interface Rescale {
  type: "rescale";
  factors: number[];
  suffix: string;
}

// One arm of a figure.
export interface Row {
  id: string;
  name: string;
  of?: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed | null;
  cell?: { [name: string]: string };
  each?: (Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed)[];
  given?: number[];
  block?: string;
  at?: string;
  number?: number;
}

// Conditions in order; the first that is true decides.
export interface Rule {
  type: "rule";
  clauses: Clause[];
  names: { [name: string]: string };
  otherwise: string;
  where?: string;
  needs?: { [name: string]: string };
}

// Each column minus `mean`, divided by `deviation`; a `deviation` of 0 makes the column 0.
export interface Standardize {
  type: "standardize";
  mean: number[];
  deviation: number[];
  suffix: string;
}

// Each target minus `mean`, divided by `deviation`.
export interface StandardizeTarget {
  type: "standardize-target";
  mean: number[];
  deviation: number[];
  suffix: string;
}

// A table of an experiment's cells.
export interface TableSpec {
  title: string;
  columns: Column[];
  block?: string;
  across?: string;
  rows?: string[];
}

// These training rows alone.
export interface TakeRows {
  type: "take-rows";
  rows: number[];
  suffix: string;
}

// Training row `rows[i]` gets the target of row `targets[i]`.
export interface TakeTargets {
  type: "take-targets";
  rows: number[];
  targets: number[];
  suffix: string;
}

// These test rows alone.
export interface TakeTests {
  type: "take-tests";
  rows: number[];
  suffix: string;
}

// A measure in a cell.
export interface Value {
  type: "value";
  measure: Measure;
  cell: { [name: string]: string };
  block?: string;
  at?: string;
}

// A metric as a share of the way from chance to the goal.
export interface WayToGoal {
  type: "way";
  of: Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed;
  goal: string;
}

// A path of each arm's runs (`paths`): median over seeds, middle half as a band.
export interface Ways {
  type: "ways";
  id: string;
  title: string;
  alt: string;
  rows: Row[];
  y: string;
  x?: string;
  x_id?: string;
  y_id?: string;
  log?: string;
  percent?: boolean | null;
  marks?: MarkSpec[];
  block?: string;
  at?: string;
  path?: string;
  kind?: "dots" | "lines" | "strips";
}

// Made from Python's types by web/made.py; whoever changes those runs it again.

// What a pair found: the mean over its runs, and whether that is no more than a bound.
export interface Dot {
  pair: number;
  runs: number;
  value: number | null;
  bound: string;
}

// An effect of a verdict, by its id.
export interface Estimate {
  id: string;
  value: number;
  bound: "" | "at least" | "at most";
}

// The teacher's page wants all there is, as a table.
export interface Export {
  type: "export";
}

// What an experiment found on a pair's device; the same seeds count once.
export interface Found {
  type: "found";
  ask: number;
  experiment: string;
  settings: { [name: string]: unknown };
  effects: Estimate[];
}

// Settings that pairs have used, and how many did; `usual` are those of the chapter's start.
export interface Group {
  settings: string;
  pairs: number;
  usual: boolean;
}

// A device joins, or comes back.
export interface Join {
  type: "join";
  token: string;
  code: string;
}

// A device is in; `pair` says which seeds are its own.
export interface Joined {
  type: "joined";
  pair: number;
  lead: Lead;
}

// What was said with this number is on disk.
export interface Kept {
  type: "kept";
  ask: number;
}

// Where the class is: `moved` counts how often it was led on.
export interface Lead {
  chapter: string;
  moved: number;
  paused: boolean;
}

// The teacher leads on.
export interface Led {
  type: "led";
  lead: Lead;
}

// What all pairs found together. An end that is infinite is null.
export interface Pooled {
  value: number | null;
  low: number | null;
  high: number | null;
  unit: string;
  bound: string;
  pairs: number;
}

// What was said was not taken, and why; `ask` is None where it has no number.
export interface Refused {
  type: "refused";
  ask: number | null;
  why: "code" | "door" | "full" | "message" | "slow";
  text: string;
}

// A pair is left out of all that is counted, or taken in again.
export interface Remove {
  type: "remove";
  pair: number;
  out: boolean;
}

// The teacher leads: what is not named stays as it is.
export interface Steer {
  type: "steer";
  chapter: string;
  paused: boolean;
  look: string;
  effect: string;
  settings: string;
  shown: boolean;
  door: "closed" | "open" | "shared";
}

// All there is, as CSV.
export interface Table {
  type: "table";
  text: string;
}

// The teacher's page joins.
export interface Teach {
  type: "teach";
  secret: string;
}

// What a pair expects of an experiment; the first one counts.
export interface Vote {
  type: "vote";
  ask: number;
  experiment: string;
  option: string;
}

// All that the wall shows.
export interface Wall {
  type: "wall";
  address: string;
  code: string;
  qr: string;
  door: "closed" | "open" | "shared";
  pairs: number;
  here: number;
  refused: number;
  lead: Lead;
  look: string;
  effect: string;
  shown: boolean;
  votes: { [name: string]: number };
  groups: Group[];
  settings: string;
  dots: Dot[];
  pooled: Pooled | null;
  answer: string;
  out: number[];
  done: { [name: string]: number };
}

export type ToRoom = Join | Teach | Vote | Found | Steer | Remove | Export;

export type FromRoom = Joined | Led | Kept | Refused | Wall | Table;

export const PAIRS = 500;
export const APART = 1000;

// What a verdict shows, as src/evenbatch/protocol/exhibits.py and verdict.py have it.

export interface Effect {
  label: string;
  value: number | null;
  low: number | null;
  high: number | null;
  unit: string;
  bound: string;
}

export interface Series {
  name: string;
  x: (number | null)[];
  y: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
}

export interface Axis {
  label: string;
  log: boolean;
  percent: boolean;
  names: string[];
}

export interface Mark {
  label: string;
  value: number | null;
  axis: "x" | "y";
}

export interface FigureShown {
  kind: "lines" | "strips" | "dots";
  title: string;
  alt: string;
  x: Axis;
  y: Axis;
  series: Series[];
  marks: Mark[];
}

export interface TableShown {
  title: string;
  columns: string[];
  rows: (string | number)[][];
  keys: string[][];
}

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

export interface Verdict {
  answer: "holds" | "holds in part" | "does not hold" | "cannot tell";
  reason: string;
  sentence: string;
  effects: Effect[];
  measured_on: string;
  notes: string[];
  figures: FigureShown[];
  tables: TableShown[];
  change: string;
  statement: Statement;
}

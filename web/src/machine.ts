// The even-out machine: batch norm by hand, one column an ingredient, one row a batch of dough.
// tests/lesson checks these functions against evenbatch.norms through web/tests/machine.json.

export interface Step {
  mean: number[];
  variance: number[];
  spread: number[]; // √variance
  divisor: number[]; // √(variance + eps)
  standard: number[][];
  out: number[][];
}

export function columns(table: number[][]): number {
  return table[0]?.length ?? 0;
}

// Average, spread, standardize, then gamma and beta, column by column. The variance is the mean
// squared distance (divided by N, not N − 1), as batch norm has it in training.
export function evenOut(table: number[][], eps: number, gamma: number[], beta: number[]): Step {
  const n = table.length;
  const across = (of: (column: number) => number) => Array.from({ length: columns(table) }, (_, c) => of(c));
  const mean = across((c) => table.reduce((sum, row) => sum + row[c]!, 0) / n);
  const variance = across((c) => table.reduce((sum, row) => sum + (row[c]! - mean[c]!) ** 2, 0) / n);
  const spread = variance.map(Math.sqrt);
  const divisor = variance.map((v) => Math.sqrt(v + eps));
  const standard = table.map((row) => row.map((v, c) => (v - mean[c]!) / divisor[c]!));
  const out = standard.map((row) => row.map((v, c) => gamma[c]! * v + beta[c]!));
  return { mean, variance, spread, divisor, standard, out };
}

// Layer norm: the same within each row.
export function evenOutRows(table: number[][], eps: number): number[][] {
  return table.map((row) => {
    const mean = row.reduce((a, b) => a + b, 0) / row.length;
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
    return row.map((v) => (v - mean) / Math.sqrt(variance + eps));
  });
}

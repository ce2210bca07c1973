// Sums, means and quantiles as NumPy has them, to the last bit: sums are taken in its order.

export type Floats = ArrayLike<number>;

// The sum of at most 128 numbers, as NumPy adds up a row: eight by eight.
export function sum(values: Floats): number {
  const n = values.length;
  let [total, i] = [0, 0];
  if (n >= 8) {
    const r = Array.from({ length: 8 }, (_, k) => values[k]!);
    for (i = 8; i < n - (n % 8); i += 8) for (let k = 0; k < 8; k++) r[k]! += values[i + k]!;
    total = r[0]! + r[1]! + (r[2]! + r[3]!) + (r[4]! + r[5]! + (r[6]! + r[7]!));
  }
  for (; i < n; i++) total += values[i]!;
  return total;
}

export const mean = (values: Floats) => sum(values) / values.length;

export const sorted = (values: Floats) => Float64Array.from(values).sort();

// A quantile of ordered values, on the straight line between two of them.
export function quantile(ordered: Floats, q: number): number {
  const at = (ordered.length - 1) * q;
  const place = Math.min(Math.floor(at), ordered.length - 1);
  const a = ordered[place]!;
  const b = ordered[Math.min(place + 1, ordered.length - 1)]!;
  const t = at - place;
  return t >= 0.5 ? b - (b - a) * (1 - t) : a + (b - a) * t;
}

// The value at a quantile, or the one below it.
export function lower(ordered: Floats, q: number): number {
  return ordered[Math.floor((ordered.length - 1) * q)]!;
}

// The middle value, or the mean of the two middle ones; NaN if one of all is.
export function median(values: Floats): number {
  const n = values.length;
  const ordered = sorted(values);
  if (!n || Number.isNaN(ordered[n - 1])) return NaN;
  return n % 2 ? ordered[(n - 1) / 2]! : (ordered[n / 2 - 1]! + ordered[n / 2]!) / 2;
}

// The first place of the highest value; NaN counts as the lowest.
export function highest(values: Floats): number {
  const found = Array.from(values, (value) => (Number.isNaN(value) ? -Infinity : value));
  return found.indexOf(Math.max(...found));
}

// As NumPy's max and min: NaN if one of them is.
export const most = (values: Floats) => Math.max(...Array.from(values));
export const least = (values: Floats) => Math.min(...Array.from(values));

export const finite = (values: Floats) => Array.from(values).filter(Number.isFinite);

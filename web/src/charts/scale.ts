// Positions and ticks of an axis, linear or in decades; numbers as they are shown.

import { written } from "../words";

export interface Scale {
  (value: number): number;
  ticks: { value: number; label: string }[];
}

export function shown(value: number, percent = false): string {
  if (percent) return `${written(+(100 * value).toFixed(Math.abs(value) < 0.1 && value !== 0 ? 1 : 0))} %`;
  return digits(value, 3);
}

// A number in so many digits that count.
export function digits(value: number | null | undefined, count = 2): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size >= 1e5 || size < 1e-3) {
    const [front, exponent] = value.toExponential(0).split("e") as [string, string];
    return front === "1" ? power(+exponent) : `${written(+front)}·${power(+exponent)}`;
  }
  return written(+value.toPrecision(count));
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

export function power(exponent: number): string {
  if (exponent >= -3 && exponent <= 3) return written(+(10 ** exponent).toPrecision(1));
  const raised = [...`${Math.abs(exponent)}`].map((d) => RAISED[+d]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${raised}`;
}

function step(span: number, wanted: number): number {
  const rough = span / Math.max(1, wanted);
  const size = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 2.5, 5, 10].find((m) => m * size >= rough) ?? 10) * size;
}

export function scale(
  low: number,
  high: number,
  from: number,
  to: number,
  options: { log?: boolean; percent?: boolean; wanted?: number } = {},
): Scale {
  const { log = false, percent = false, wanted = 5 } = options;
  const a = log ? Math.log10(low) : low;
  const b = log ? Math.log10(high) : high;
  const span = b - a || 1;
  const at = ((value: number) =>
    from + (((log ? Math.log10(value) : value) - a) / span) * (to - from)) as Scale;
  at.ticks = [];
  if (log) {
    const every = Math.max(1, Math.ceil((b - a) / wanted));
    for (let e = Math.ceil(a - 1e-9); e <= b + 1e-9; e += every) {
      at.ticks.push({ value: 10 ** e, label: power(e) });
    }
  } else {
    const by = step(span, wanted);
    for (let v = Math.ceil(a / by - 1e-9) * by; v <= b + by * 1e-9; v += by) {
      at.ticks.push({ value: v, label: shown(Math.abs(v) < by * 1e-6 ? 0 : v, percent) });
    }
  }
  return at;
}

export function extent(values: (number | null)[], log = false): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const v of values) {
    if (v === null || !Number.isFinite(v) || (log && v <= 0)) continue;
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  if (low > high) return log ? [1, 10] : [0, 1];
  if (low === high) return log ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  return [low, high];
}

// Numbers and lists in words, as Python's `protocol.wording`.

import type { Facts } from "../made/described";
import { fixed, general } from "./format";

export function digits(value: number): string {
  if (Number.isNaN(value)) return "?";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  if (Math.abs(value) >= 99.5) return fixed(value, 0);
  return Math.abs(value) >= 0.995 ? fixed(value, 1) : general(value, 2);
}

// A metric as people say it: a share of test rows in percent, or R².
export function amount(data: Facts, metric: number): string {
  return (data.task === "regression" ? `R² ${fixed(metric, 3)}` : `${fixed(100 * metric, 1)} %`).replace("-", "−");
}

// A difference, to no more than two places, with a true minus sign.
export function signed(value: number): string {
  const near = Number.isFinite(value) ? Number(fixed(value, 2)) : value;
  return digits(near === 0 ? 0 : near).replace("-", "−");
}

export function listed(names: string[], last = "and"): string {
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} ${last} ${names.at(-1)}` : names.join("");
}

export function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

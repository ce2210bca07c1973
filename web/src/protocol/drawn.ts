// The figures of an experiment with their values, as Python's `protocol.drawn`.

import type { Level, MarkSpec, Over, Rates, Row, Ways } from "../made/experiment";
import type { Axis, Figure, Mark, Series } from "../made/messages";
import { meanEffect, ratioEffect } from "./effects";
import { finite, type Floats, lower, quantile, sorted } from "./numbers";
import { PATHS } from "./paths";
import { type Expr, type Reading, where } from "./reading";

export type Spec = Ways | Over | Rates;

export function axis(label: string, id: string, more: Partial<Axis> = {}): Axis {
  return { label, log: false, percent: false, names: [], ids: [], ...more, id };
}

export function series(id: string, name: string, x: Floats, ...[y, low = [], high = []]: Floats[]): Series {
  return { id, name, x: Array.from(x), y: Array.from(y ?? []), low: Array.from(low), high: Array.from(high) };
}

export function figure(spec: Spec, reading: Reading): Figure {
  const log = spec.log ?? "";
  const made = {
    id: spec.id,
    title: `${spec.title}: ${reading.data.name}`,
    alt: spec.alt,
    y: axis(spec.y, spec.y_id ?? "metric", { log: log.includes("y"), percent: spec.percent ?? reading.experiment.metric === "accuracy" }),
    marks: (spec.marks ?? []).map((mark) => marked(mark, reading)),
  };
  if (spec.type === "over") return { ...made, kind: spec.kind, ...over(spec, reading) };
  if (spec.type === "rates") {
    return { ...made, kind: "strips", x: axis("learning rate", "rate", { log: true }), series: spec.rows.map((row) => tried(row, spec, reading)) };
  }
  const x = axis(spec.x || "steps", spec.x_id || "steps", { log: log.includes("x") });
  return { ...made, kind: spec.kind ?? "lines", x, series: spec.rows.map((row) => way(row, spec, reading)) };
}

function marked(spec: MarkSpec, reading: Reading): Mark {
  const value = spec.goal ? reading.goal(spec.goal) : (spec.value ?? (spec.of ? reading.mean(spec.of) : reading.floor));
  return { label: spec.label, value, axis: spec.axis ?? "y", series: "", id: spec.id ?? "" };
}

function way(row: Row, spec: Ways, reading: Reading): Series {
  const block = row.block || spec.block || "";
  const cell = reading.of(block).cell(row.cell ?? {});
  const path = PATHS[spec.path ?? "metric"];
  if (!path) throw new Error(`what is called ${spec.path} is not drawn in a page`);
  const about = { floor: cell.data.chance, loss: cell.data.guess_loss };
  const runs = reading.runs(cell, block, row.at || spec.at).map((run) => path(run, about, row.number ?? 0)).filter(([x]) => x.length);
  if (!runs.length) return series(row.id, row.name, []);
  const x = runs.map((run) => run[0]).reduce((a, b) => (b.length > a.length ? b : a));
  const at = Array.from(x, (_, i) => sorted(finite(runs.map((run) => run[1][i] ?? NaN))));
  return series(row.id, row.name, x, ...[0.5, 0.25, 0.75].map((q) => at.map((values) => (values.length ? quantile(values, q) : NaN))));
}

function tried(row: Row, spec: Rates, reading: Reading): Series {
  const cells = reading.of(spec.block);
  return series(row.id, row.name, cells.rates, cells.scores(cells.cell(row.cell ?? {}), reading.curves));
}

function over(spec: Over, reading: Reading): { x: Axis; series: Series[] } {
  const along = spec.axis ? reading.block(spec.block).axes.find((one) => one.id === spec.axis)! : null;
  const all: Level[] = along?.levels ?? spec.places ?? [];
  const numbers = all.filter((level) => level.at != null);
  const shown = along && numbers.length ? numbers : all;
  const named = shown.some((level) => level.at == null);
  const x = axis(spec.x || (along?.name ?? ""), spec.x_id || (along?.id ?? ""), {
    log: along ? !!along.log || (spec.log ?? "").includes("x") : false,
    ...(named ? { names: shown.map((level) => level.name), ids: shown.map((level) => level.id) } : {}),
  });
  const places = shown.map((level, i) => (named ? i : level.at!));
  const made = spec.rows.map((row) => {
    if (row.given?.length) return series(row.id, row.name, places, row.given);
    const each: Expr[] = row.of ? shown.map((level) => where(row.of!, { [spec.axis!]: level.id })) : (row.each ?? []);
    return series(row.id, row.name, places, ...shownAs(spec.show, each.map((value) => finite(reading.values(value)))));
  });
  return { x, series: made };
}

// y alone, or y and the ends of its band.
function shownAs(show: string, values: number[][]): number[][] {
  if (["mean", "exp", "geometric"].includes(show)) {
    const each = values.map((value) => (show === "geometric" ? ratioEffect("", value, value.map(() => 1), "") : meanEffect("", value, "")));
    const parts = (["value", "low", "high"] as const).map((part) => each.map((effect) => effect[part]));
    return show === "exp" ? parts.map((part) => part.map(Math.exp)) : parts;
  }
  const quantiles = { median: [0.5], band: [0.5, 0.25, 0.75], range: [0.5, 0, 1] }[show] ?? [];
  const read = show === "range" ? lower : quantile;
  return quantiles.map((q) => values.map((value) => (value.length ? read(sorted(value), q) : NaN)));
}

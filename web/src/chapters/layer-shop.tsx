// Four customers in a shop: who is tapped goes out or comes back, and both machines work on those who are in.

import { useState } from "preact/hooks";

import { digits } from "../charts/scale";
import { evenOut, evenOutRows } from "../machine";
import { useKnob } from "../memory";
import { t, tt } from "../words";

const COLUMNS = ["sugar_cups", "flour_g", "butter_g"];
const ORDERS = [
  [2, 4, 1],
  [10, 9, 8],
  [6, 2, 7],
  [4, 8, 3],
];

type Rows = (string[] | null)[]; // as they are written; none for who is out

// What the shop's machines make of the orders of those who are in.
export function shopOf(out: number[]): { [table in "raw" | "batch" | "layer"]: Rows } {
  const inside = ORDERS.filter((_, i) => !out.includes(i));
  const rows = (values: number[][]): Rows => ORDERS.map((_, i) => (out.includes(i) ? null : values.shift()!.map((v) => digits(v))));
  return { raw: rows([...inside]), batch: rows(evenOut(inside, 1e-5, [1, 1, 1], [0, 0, 0]).out), layer: rows(evenOutRows(inside, 1e-5)) };
}

// Which numbers of those who were in before and still are have changed.
export function changed(before: Rows, after: Rows): boolean[][] {
  return after.map((row, r) => COLUMNS.map((_, c) => Boolean(row && before[r] && row[c] !== before[r][c])));
}

function fits(out: number[]): boolean {
  return Array.isArray(out) && out.length < ORDERS.length && out.every((i) => i in ORDERS);
}

function Table({ kind, rows, marked }: { kind: "batch" | "layer"; rows: Rows; marked: boolean[][] }) {
  return (
    <table class={kind}>
      <caption>{tt(`layer.${kind}`)}</caption>
      <thead><tr><td />{COLUMNS.map((column) => <th scope="col" key={column}>{tt(`ingredient.${column}`)}</th>)}</tr></thead>
      <tbody>
        {rows.map((row, r) => (
          <tr key={r}>
            <th scope="row">{r + 1}</th>
            {/* A number that changed is a new cell, so that it flickers anew. */}
            {COLUMNS.map((_, c) => <td key={`${c}${row?.[c]}`} class={marked[r]![c] ? "changed" : ""}>{row?.[c]}</td>)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Shop() {
  const [out, setOut] = useKnob<number[]>("layer.out", [], fits);
  const [was, setWas] = useState(out);
  const tapped = out.length !== was.length;
  const [before, now] = [shopOf(was), shopOf(out)];
  const marks = { batch: changed(before.batch, now.batch), layer: changed(before.layer, now.layer) };
  const count = (kind: "batch" | "layer") => marks[kind].flat().filter(Boolean).length;
  const alone = out.length === ORDERS.length - 1;
  const tap = (i: number) => {
    if (alone && !out.includes(i)) return; // somebody stays
    setWas(out);
    setOut(out.includes(i) ? out.filter((one) => one !== i) : [...out, i]);
  };
  return (
    <>
      <div class="shop">
        <table class="raw">
          <caption>{t("layer.raw")}</caption>
          <thead><tr><th scope="col">{t("layer.customer")}</th>{COLUMNS.map((column) => <th scope="col" key={column}>{tt(`ingredient.${column}`)}</th>)}</tr></thead>
          <tbody>
            {now.raw.map((row, i) => (
              <tr key={i}>
                <th scope="row">
                  <button type="button" aria-pressed={row !== null} aria-disabled={alone && row !== null} onClick={() => tap(i)}>
                    <svg viewBox="-12 -12 24 24" aria-hidden="true"><circle r="10" class="cookie" /><circle cx="-3.5" cy="-2" r="1.5" class="eye" /><circle cx="3.5" cy="-2" r="1.5" class="eye" /><path d={row ? "M-4 3q4 4 8 0" : "M-4 5h8"} class="mouth" /></svg>
                    {i + 1}
                  </button>
                </th>
                {row ? row.map((cell, c) => <td key={c}>{cell}</td>) : <td colSpan={COLUMNS.length} class="gone">{t("layer.out")}</td>}
              </tr>
            ))}
          </tbody>
        </table>
        <Table kind="batch" rows={now.batch} marked={marks.batch} />
        <Table kind="layer" rows={now.layer} marked={marks.layer} />
      </div>
      <p aria-live="polite">
        {tapped && t("layer.changed", { n: now.raw.filter((row, r) => row && before.raw[r]).length * COLUMNS.length, batch: count("batch"), layer: count("layer") })}{" "}
        {alone && t("layer.one")}
      </p>
    </>
  );
}

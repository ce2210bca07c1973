// Chapter 7: one order at a time. Layer norm against batch norm.

import { useState } from "preact/hooks";

import { digits } from "../charts/scale";
import { evenOut, evenOutRows } from "../machine";
import { Claims, type ClaimShown } from "../parts/claim";
import { t } from "../words";
import { named } from "../words/named";
import type { ChapterShown } from "./chapter";

const ID = "layer";
const ORDERS = [
  [2, 4, 1],
  [10, 9, 8],
  [6, 2, 7],
  [4, 8, 3],
];

const SHOWN: ClaimShown[] = [
  {
    claim: "layer-norm",
    name: "layer",
    data: ["digits", "mnist1d"],
    blocks: ["trained"],
    row: (place) => named("layer-norm", place.cell.arm!),
    column: (trial) => trial.batch,
    columnName: "knob.batch",
  },
  {
    claim: "sequences",
    name: "layer.stories",
    data: ["stories"],
    blocks: ["arms"],
    row: (place) => named("sequences", place.cell.arm!),
    column: (trial) => trial.rate,
    columnName: "knob.rate",
  },
];

function Scene() {
  return (
    <svg viewBox="0 0 640 150" class="scene" role="img" aria-label={t("layer.scene")}>
      {[120, 420].map((left, side) => (
        <g key={left} transform={`translate(${left} 16)`}>
          {[0, 1, 2, 3].map((r) =>
            [0, 1, 2].map((c) => (
              <rect key={`${r}${c}`} x={c * 36} y={r * 30} width="32" height="26" rx="5" class={`tile tile-${side ? r : c}`} />
            )),
          )}
          {side === 0 ? <rect x="-4" y="-4" width="40" height="124" rx="8" class="loop" /> : <rect x="-4" y="-4" width="112" height="34" rx="8" class="loop" />}
        </g>
      ))}
    </svg>
  );
}

function Touch() {
  const [rows, setRows] = useState(ORDERS.length);
  const table = ORDERS.slice(0, rows);
  const batch = evenOut(table, 1e-5, [1, 1, 1], [0, 0, 0]).out;
  const layer = evenOutRows(table, 1e-5);
  const Tinted = ({ values, by, label }: { values: number[][]; by: "column" | "row"; label: string }) => (
    <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table>
        <caption>{label}</caption>
        <tbody>
          {values.map((row, r) => (
            <tr key={r}>
              <th scope="row">{t("layer.order", { n: r + 1 })}</th>
              {row.map((v, c) => <td key={c} class={`tint-${by === "column" ? c : r}`}>{digits(v)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
  return (
    <>
      <div class="steps" role="group" aria-label={t("layer.orders")}>
        {[4, 3, 2, 1].map((n) => (
          <button type="button" key={n} aria-pressed={rows === n} onClick={() => setRows(n)}>{t("layer.count", { n })}</button>
        ))}
      </div>
      <div class="pair">
        <Tinted values={table} by="column" label={t("layer.raw")} />
        <Tinted values={batch} by="column" label={t("layer.batch")} />
        <Tinted values={layer} by="row" label={t("layer.layer")} />
      </div>
      <p aria-live="polite">{rows === 1 ? t("layer.one") : t("layer.several")}</p>
    </>
  );
}

function Experiment() {
  return <Claims shown={SHOWN} />;
}

export const chapter: ChapterShown = {
  id: ID,
  minutes: 7,
  experiments: SHOWN.map((one) => one.name),
  check: { options: ["row", "column", "all"], right: "row" },
  Scene,
  Touch,
  Experiment,
};

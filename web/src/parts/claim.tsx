// An experiment of `evenbatch prove`, live: cells fill while networks train, then the verdict.

import { useState } from "preact/hooks";

import { Drawn } from "../charts/drawn";
import { digits } from "../charts/scale";
import type { Run, TrialShown } from "../live/live";
import { useRun } from "../live/use";
import { t, tt, written } from "../words";
import { Controls, useExperiment, VerdictCard } from "./experiment";
import { Choose } from "./knobs";
import { Levelled } from "./prose";
import { usePredicted } from "./choice";

export interface ClaimShown {
  claim: string; // as `evenbatch prove` calls it
  name: string; // where its result is kept: "tower", "break.eps"
  data: string[];
  row: (trial: TrialShown) => string;
  column: (trial: TrialShown) => number;
  columnName: string; // a key of the words
}

// Which trials belong to the measurement; the others only look for learning rates.
export const TUNING_SEED = 1_000_000;

export function LiveStrip({ run, row, column, columnName }: { run: Run | null } & Pick<ClaimShown, "row" | "column" | "columnName">) {
  useRun(run);
  if (!run?.trials.length) return null;
  const measuring = run.trials.some((trial) => trial.seed < TUNING_SEED);
  const cells = new Map<string, Map<number, Cell>>();
  const columns = new Set<number>();
  run.trials.forEach((trial, place) => {
    if (measuring && trial.seed >= TUNING_SEED) return;
    const at = column(trial);
    columns.add(at);
    const line = cells.get(row(trial)) ?? new Map();
    cells.set(row(trial), line);
    const cell = line.get(at) ?? { ends: [], lost: 0 };
    line.set(at, cell);
    if (run.ended.get(place)?.how === "diverged") cell.lost++;
    else {
      const metric = run.curves[place]?.metric;
      if (metric?.length) cell.ends.push(metric[metric.length - 1]!);
    }
  });
  const sorted = [...columns].sort((a, b) => a - b);
  const shownTrials = run.trials.filter((trial) => !measuring || trial.seed < TUNING_SEED);
  return (
    <>
      <StripTable
        title={measuring ? t("strip.measuring") : t("strip.tuning")}
        corner={tt(columnName)}
        columns={sorted}
        rows={[...cells].map(([name, line]) => ({ name, cells: sorted.map((v) => endOf(line.get(v))) }))}
      />
      <Drawn trials={shownTrials} />
    </>
  );
}

interface Cell {
  ends: number[];
  lost: number;
}

// What a cell shows: the middle of the ends so far, ✗ if all were lost.
function endOf(cell: Cell | undefined): number | "lost" | "waiting" | "none" {
  if (!cell) return "none";
  const ends = cell.ends.sort((a, b) => a - b);
  return ends.length ? ends[Math.floor(ends.length / 2)]! : cell.lost ? "lost" : "waiting";
}

export function StripTable(props: { title: string; corner: string; columns: number[]; rows: { name: string; cells: (number | "lost" | "waiting" | "none")[] }[] }) {
  return (
    <div class="strip-table scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table>
        <caption>{props.title}</caption>
        <thead>
          <tr>
            <th scope="col">{props.corner}</th>
            {props.columns.map((v) => <th scope="col" key={v}>{digits(v)}</th>)}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => (
            <tr key={row.name}>
              <th scope="row">{row.name}</th>
              {row.cells.map((cell, i) => (
                <td key={i} style={{ "--level": typeof cell === "number" ? Math.min(1, Math.max(0, cell)) : 0 }} class={cell === "lost" ? "lost" : ""}>
                  {typeof cell === "number" ? written(Math.round(100 * cell)) : { lost: "✗", waiting: "·", none: "" }[cell]}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function ClaimExperiment({ shown: one, predictOn }: { shown: ClaimShown; predictOn: string }) {
  const experiment = useExperiment(one.name, "claim");
  const predicted = usePredicted(predictOn);
  const [data, setData] = useState(one.data[0]!);
  const { run } = experiment;
  return (
    <div class="claim">
      {one.data.length > 1 && (
        <div class="knobs">
          <Choose label={t("knob.data")} value={data} change={setData} options={one.data.map((value) => ({ value, label: tt(`data.${value}`) }))} />
        </div>
      )}
      <Controls experiment={experiment} settings={{ claim: one.claim, data }} locked={!predicted} label={tt(`${one.name}.start`)} />
      {!run?.verdict && <LiveStrip run={run} row={one.row} column={one.column} columnName={one.columnName} />}
      <VerdictCard run={run} name={one.name} id={predictOn} />
    </div>
  );
}

// Several experiments of one chapter, one at a time.
export function Claims({ shown: all, predictOn }: { shown: ClaimShown[]; predictOn: string }) {
  const [at, setAt] = useState(0);
  const one = all[at]!;
  return (
    <>
      <div class="steps" role="group" aria-label={t("claim.which")}>
        {all.map((each, i) => (
          <button type="button" key={each.name} aria-pressed={i === at} onClick={() => setAt(i)}>{tt(`${each.name}.tab`)}</button>
        ))}
      </div>
      <Levelled k={`${one.name}.words`} />
      <ClaimExperiment key={one.name} shown={one} predictOn={predictOn} />
    </>
  );
}

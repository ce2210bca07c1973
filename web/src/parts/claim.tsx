// An experiment of `evenbatch prove`, live: cells fill while networks train, then the verdict.

import { useState } from "preact/hooks";

import { shown } from "../charts/scale";
import type { Run, TrialShown } from "../live/live";
import { useRun } from "../live/use";
import { t, tt } from "../words";
import { Controls, useExperiment, VerdictCard } from "./experiment";
import { Choose } from "./knobs";
import { Levelled, Text } from "./prose";
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
  if (!run || !run.trials.length) return null;
  const measuring = run.trials.some((trial) => trial.seed < TUNING_SEED);
  const cells = new Map<string, Map<number, { ends: number[]; lost: number; all: number }>>();
  const columns = new Set<number>();
  run.trials.forEach((trial, place) => {
    if (measuring && trial.seed >= TUNING_SEED) return;
    const at = column(trial);
    columns.add(at);
    const line = cells.get(row(trial)) ?? new Map();
    cells.set(row(trial), line);
    const cell = line.get(at) ?? { ends: [], lost: 0, all: 0 };
    line.set(at, cell);
    cell.all++;
    if (run.ended.get(place)?.how === "diverged") cell.lost++;
    else {
      const metric = run.curves[place]?.metric;
      if (metric?.length) cell.ends.push(metric[metric.length - 1]!);
    }
  });
  const sorted = [...columns].sort((a, b) => a - b);
  return (
    <div class="strip-table scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table>
        <caption>{measuring ? t("strip.measuring") : t("strip.tuning")}</caption>
        <thead>
          <tr>
            <th scope="col">{tt(columnName)}</th>
            {sorted.map((v) => <th scope="col" key={v}>{+v.toPrecision(2)}</th>)}
          </tr>
        </thead>
        <tbody>
          {[...cells].map(([name, line]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {sorted.map((v) => {
                const cell = line.get(v);
                const ends = cell?.ends.sort((a, b) => a - b) ?? [];
                const value = ends.length ? ends[Math.floor(ends.length / 2)]! : null;
                return (
                  <td key={v} style={{ "--level": value === null ? 0 : Math.min(1, Math.max(0, value)) }} class={cell?.lost && value === null ? "lost" : ""}>
                    {value === null ? (cell?.lost ? "✗" : cell ? "·" : "") : shown(value, true)}
                  </td>
                );
              })}
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
  const verdict = run?.verdict;
  const effect = verdict?.effects[0];
  const number = (v: number | null | undefined) => (v === null || v === undefined ? "?" : `${+v.toPrecision(2)}`);
  return (
    <div class="claim">
      {one.data.length > 1 && (
        <div class="knobs">
          <Choose label={t("knob.data")} value={data} change={setData} options={one.data.map((value) => ({ value, label: tt(`data.${value}`) }))} />
        </div>
      )}
      <Controls experiment={experiment} settings={{ claim: one.claim, data }} locked={!predicted} label={tt(`${one.name}.start`)} />
      {!verdict && <LiveStrip run={run} row={one.row} column={one.column} columnName={one.columnName} />}
      <VerdictCard run={run} id={predictOn}>
        {verdict && <Text words={tt(`${one.name}.happened.${verdict.answer.replaceAll(" ", "-")}`, { value: number(effect?.value), low: number(effect?.low), high: number(effect?.high) })} />}
      </VerdictCard>
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

// An experiment of `evenbatch prove`, live: cells fill while networks train, then the verdict.

import type { ComponentType } from "preact";

import { Drawn } from "../charts/drawn";
import { digits } from "../charts/scale";
import type { Run } from "../live/run";
import { useRun } from "../live/use";
import type { ClaimSettings, Place, TrialShown } from "../made/messages";
import { useKnob } from "../memory";
import { t, tt, written } from "../words";
import { Prediction, usePredicted } from "./choice";
import { Controls, Shown, useExperiment, VerdictCard } from "./experiment";
import { Choose } from "./knobs";
import { Levelled } from "./prose";

type Data = ClaimSettings["data"];

// What of a run the table shows while networks train: a row and a column for a trial at its places.
export interface Strip {
  blocks: string[]; // ids of those that are shown
  row: (place: Place, trial: TrialShown) => string;
  column: (trial: TrialShown) => number;
  columnName: string; // a key of the words
}

export interface ClaimShown extends Strip {
  claim: string; // as `evenbatch prove` calls it
  name: string; // where its result is kept: "tower", "break.eps"
  data: Data[];
  Play?: ComponentType<{ data: Data; locked: boolean }>; // to try by hand, once a prediction is locked in
}

interface Cell {
  ends: number[];
  lost: number;
}

type End = number | "lost" | "waiting" | "none";

export interface Row {
  name: string;
  cells: End[];
}

// The table of a run: what the networks of its phase have come to so far, by row and column.
export function stripOf(run: Run, strip: Strip): { measuring: boolean; columns: number[]; rows: Row[]; trials: TrialShown[] } {
  const measuring = run.trials.some((trial) => trial.phase === "measuring");
  const cells = new Map<string, Map<number, Cell>>();
  const columns = new Set<number>();
  const trials = new Set<TrialShown>();
  run.trials.forEach((trial, at) => {
    if (measuring && trial.phase !== "measuring") return;
    for (const place of trial.places) {
      if (!strip.blocks.includes(place.block)) continue;
      trials.add(trial);
      const column = strip.column(trial);
      const name = strip.row(place, trial);
      columns.add(column);
      const line = cells.get(name) ?? new Map<number, Cell>();
      cells.set(name, line);
      const cell = line.get(column) ?? { ends: [], lost: 0 };
      line.set(column, cell);
      const metric = run.curves[at]?.metric;
      if (run.ended.get(at)?.how === "diverged") cell.lost++;
      else if (metric?.length) cell.ends.push(metric[metric.length - 1]!);
    }
  });
  const sorted = [...columns].sort((a, b) => a - b);
  const rows = [...cells].map(([name, line]) => ({ name, cells: sorted.map((column) => endOf(line.get(column))) }));
  return { measuring, columns: sorted, rows, trials: [...trials] };
}

// What a cell shows: the middle of the ends so far, ✗ if all were lost.
function endOf(cell: Cell | undefined): End {
  if (!cell) return "none";
  const ends = cell.ends.sort((a, b) => a - b);
  return ends.length ? ends[Math.floor(ends.length / 2)]! : cell.lost ? "lost" : "waiting";
}

export function LiveStrip({ run, strip }: { run: Run | null; strip: Strip }) {
  useRun(run);
  if (!run) return null;
  const { measuring, columns, rows, trials } = stripOf(run, strip);
  if (!rows.length) return null;
  return (
    <>
      <StripTable title={measuring ? t("strip.measuring") : t("strip.tuning")} corner={tt(strip.columnName)} columns={columns} rows={rows} />
      <Drawn trials={trials} />
    </>
  );
}

export function StripTable(props: { title: string; corner: string; columns: number[]; rows: Row[] }) {
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

export function ClaimExperiment({ shown: one }: { shown: ClaimShown }) {
  const [data, setData] = useKnob(`${one.name}.data`, one.data[0]!, (kept) => one.data.includes(kept));
  const experiment = useExperiment(one.name, { claim: one.claim, data }, "claim");
  const predicted = usePredicted(one.name);
  const { run } = experiment;
  return (
    <div class="claim">
      <Prediction id={one.name} />
      {one.data.length > 1 && (
        <div class="knobs">
          <Choose label={t("knob.data")} value={data} change={setData} options={one.data.map((value) => ({ value, label: tt(`data.${value}`) }))} />
        </div>
      )}
      {one.Play && <one.Play data={data} locked={!predicted} />}
      <Controls experiment={experiment} locked={!predicted} label={tt(`${one.name}.start`)} />
      <Shown experiment={experiment}>
        {!run?.result && <LiveStrip run={run} strip={one} />}
        <VerdictCard run={run} name={one.name} />
      </Shown>
    </div>
  );
}

// How one of several experiments is chosen.
export type Chooser = ComponentType<{ names: string[]; at: number; choose: (at: number) => void }>;

const Tabs: Chooser = ({ names, at, choose }) => (
  <div class="steps" role="group" aria-label={t("claim.which")}>
    {names.map((name, i) => <button type="button" key={name} aria-pressed={i === at} onClick={() => choose(i)}>{tt(`${name}.tab`)}</button>)}
  </div>
);

// Several experiments of one chapter, one at a time.
export function Claims({ shown: all, Choice = Tabs }: { shown: ClaimShown[]; Choice?: Chooser }) {
  const [at, setAt] = useKnob(`${all[0]!.name}.shown`, 0, (kept) => kept in all);
  const one = all[at]!;
  return (
    <>
      <Choice names={all.map((each) => each.name)} at={at} choose={setAt} />
      <Levelled k={`${one.name}.words`} />
      <ClaimExperiment key={one.name} shown={one} />
    </>
  );
}

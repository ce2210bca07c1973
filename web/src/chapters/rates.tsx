// Chapter 4: how fast may we learn?

import { useState } from "preact/hooks";

import { Controls, useExperiment, VerdictCard } from "../parts/experiment";
import { Choose } from "../parts/knobs";
import { Text } from "../parts/prose";
import { usePredicted } from "../parts/choice";
import { useRun } from "../live/use";
import type { Run } from "../live/live";
import { shown } from "../charts/scale";
import { t, tt } from "../words";
import type { ChapterShown } from ".";

const ID = "rates";
const ARMS = ["no normalization", "batch norm"];

function Scene() {
  return (
    <svg viewBox="0 0 640 130" class="scene" role="img" aria-label={t("rates.scene")}>
      <path d="M40 110A110 110 0 0 1 260 110" class="dial" />
      <path d="M150 110L95 52" class="needle" />
      <path d="M380 110A110 110 0 0 1 600 110" class="dial wide" />
      <path d="M490 110L545 52" class="needle" />
      <text x="150" y="126" text-anchor="middle">{tt("arm.none")}</text>
      <text x="490" y="126" text-anchor="middle">{tt("arm.batch")}</text>
    </svg>
  );
}

// A strip for each arm that fills while the rates are tried: the darker, the better it ended so far.
function Strip({ run }: { run: Run | null }) {
  useRun(run);
  const rates = [...new Set(run?.trials.map((trial) => trial.rate) ?? [])].sort((a, b) => a - b);
  if (!run || !rates.length) return null;
  const cells = ARMS.map((arm) =>
    rates.map((rate) => {
      const ends: number[] = [];
      let lost = 0;
      run.trials.forEach((trial, place) => {
        if (trial.arm !== arm || trial.rate !== rate) return;
        if (run.ended.get(place)?.how === "diverged") lost++;
        else {
          const metric = run.curves[place]?.metric;
          if (metric?.length) ends.push(metric[metric.length - 1]!);
        }
      });
      ends.sort((a, b) => a - b);
      return { value: ends.length ? ends[Math.floor(ends.length / 2)]! : null, lost };
    }),
  );
  return (
    <div class="strip-table scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table aria-label={t("rates.strip")}>
        <thead>
          <tr>
            <th scope="col">{t("knob.rate")}</th>
            {rates.map((rate) => <th scope="col" key={rate}>{+rate.toPrecision(2)}</th>)}
          </tr>
        </thead>
        <tbody>
          {cells.map((row, a) => (
            <tr key={ARMS[a]}>
              <th scope="row">{tt(a ? "arm.batch" : "arm.none")}</th>
              {row.map((cell, i) => (
                <td key={i} style={{ "--level": cell.value === null ? 0 : Math.max(0, cell.value) }} class={cell.lost && cell.value === null ? "lost" : ""}>
                  {cell.value === null ? (cell.lost ? "✗" : "·") : shown(cell.value, true)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Experiment() {
  const experiment = useExperiment(ID);
  const predicted = usePredicted(ID);
  const [data, setData] = useState("digits");
  const { run } = experiment;
  const verdict = run?.verdict;
  const wider = verdict?.effects[0];
  return (
    <>
      <div class="knobs">
        <Choose label={t("knob.data")} value={data} change={setData} options={["digits", "cookies", "mnist1d"].map((value) => ({ value, label: tt(`data.${value}`) }))} />
      </div>
      <Controls experiment={experiment} settings={{ data }} locked={!predicted} label={t("rates.start")} />
      <Strip run={run} />
      <VerdictCard run={run} id={ID}>
        {verdict && wider && wider.value !== null && (
          <Text words={tt(`rates.happened.${verdict.answer.replaceAll(" ", "-")}`, { wider: +wider.value.toPrecision(2), times: shown(10 ** Math.abs(wider.value)) })} />
        )}
      </VerdictCard>
    </>
  );
}

export const chapter: ChapterShown = {
  id: ID,
  minutes: 6,
  predict: ["same", "bit", "much"],
  check: { options: ["wide", "best", "always"], right: "wide" },
  Scene,
  Experiment,
};

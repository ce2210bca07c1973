// Chapter 3: two bakers race.

import { useState } from "preact/hooks";

import { LiveChart } from "../charts/live";
import { Controls, useExperiment, VerdictCard } from "../parts/experiment";
import { Choose } from "../parts/knobs";
import { usePredicted } from "../parts/choice";
import { t, tt } from "../words";
import type { ChapterShown } from ".";

const ID = "race";

function Scene() {
  return (
    <svg viewBox="0 0 640 150" class="scene" role="img" aria-label={t("race.scene")}>
      <path d="M20 92H590M20 128H620" class="ground" />
      <path d="M590 40v88M590 40h26l-8 9l8 9h-26" class="flag" />
      {[0, 1].map((lane) => (
        <g key={lane} transform={`translate(${lane ? 330 : 110} ${lane ? 102 : 66})`}>
          <rect x="-24" y="-26" width="48" height="40" rx="9" class={`robot robot-${lane}`} />
          <circle cx="-9" cy="-10" r="4.5" class="eye" />
          <circle cx="9" cy="-10" r="4.5" class="eye" />
          <path d={lane ? "M-9 3q9 7 18 0" : "M-9 5q4-6 9 0t9 0"} class="mouth" />
          <path d="M0-26v-9" class="line" />
          <circle cx="0" cy="-38" r="4" class="bulb" />
          <circle cx="-13" cy="18" r="6" class="wheel" />
          <circle cx="13" cy="18" r="6" class="wheel" />
          <g transform="translate(42 4)">
            <circle r="13" class="cookie" />
            <circle cx="-4" cy="-4" r="2" class="chip" />
            <circle cx="5" cy="1" r="2" class="chip" />
            <circle cx="-2" cy="6" r="2" class="chip" />
          </g>
        </g>
      ))}
    </svg>
  );
}

function Experiment() {
  const experiment = useExperiment(ID);
  const predicted = usePredicted(ID);
  const [data, setData] = useState("digits");
  const [init, setInit] = useState("torch");
  const { run } = experiment;
  const measuring = run?.trials.some((trial) => trial.seed < 1_000_000) ?? false;
  return (
    <>
      <div class="knobs">
        <Choose label={t("knob.data")} value={data} change={setData} options={["digits", "cookies", "mnist1d"].map((value) => ({ value, label: tt(`data.${value}`) }))} />
        <Choose label={t("knob.init")} value={init} change={setInit} options={["torch", "he"].map((value) => ({ value, label: tt(`init.${value}`) }))} />
      </div>
      <Controls experiment={experiment} settings={{ data, init }} locked={!predicted} label={t("race.start")} />
      <LiveChart
        run={run}
        quantity="metric"
        percent
        title={t("race.chart")}
        label={run && !measuring ? t("race.tuning") : t("chart.seeds")}
        most={1000}
        arms={["no normalization", "batch norm"]}
        name={(trial) => ((trial.seed < 1_000_000) === measuring && best(run?.trials ?? [], trial, measuring) ? trial.arm : null)}
      />
      <VerdictCard run={run} name={ID} id={ID} />
    </>
  );
}

// While measuring, both arms meet at several learning rates; best against best is the pair of rates
// that differ, or the only one.
function best(trials: { norm: string; rate: number; seed: number }[], trial: { norm: string; rate: number }, measuring: boolean): boolean {
  if (!measuring) return true;
  const first = trials.find((other) => other.seed < 1_000_000 && other.norm === trial.norm);
  return first?.rate === trial.rate;
}

export const chapter: ChapterShown = {
  id: ID,
  minutes: 8,
  predict: ["same", "two", "four", "ten"],
  check: { options: ["seconds", "luck", "colour"], right: "seconds" },
  Scene,
  Experiment,
};

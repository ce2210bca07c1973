// Chapter 3: two bakers race.

import { LiveChart } from "../charts/live";
import { Track } from "../charts/track";
import type { RaceSettings, TrialShown } from "../made/messages";
import { useKnob } from "../memory";
import { Prediction, usePredicted } from "../parts/choice";
import { Controls, Shown, useExperiment, VerdictCard } from "../parts/experiment";
import { Choose } from "../parts/knobs";
import { t, tt } from "../words";
import { named } from "../words/named";
import type { ChapterShown } from "./chapter";

const ID = "race";
const DATA: RaceSettings["data"][] = ["digits", "cookies", "mnist1d"];
const INITS: RaceSettings["init"][] = ["torch", "he"];
const racing = () => ["none", "batch"].map((id) => ({ id, name: named("speed", id) }));

function Scene() {
  return (
    <svg viewBox="0 0 640 150" class="scene" role="img" aria-label={t("race.scene")}>
      <path d="M20 74H590M20 138H620" class="ground" />
      <path d="M590 40v98M590 40h26l-8 9l8 9h-26" class="flag" />
      {[0, 1].map((lane) => (
        <g key={lane} transform={`translate(70 ${lane ? 119 : 55}) scale(0.8)`}>
          <rect x="-24" y="-26" width="48" height="40" rx="9" class={`robot robot-${lane}`} />
          <circle cx="-9" cy="-10" r="4.5" class="eye" />
          <circle cx="9" cy="-10" r="4.5" class="eye" />
          <path d="M-8 5h16" class="mouth" />
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
  const predicted = usePredicted(ID);
  const [data, setData] = useKnob(`${ID}.data`, DATA[0]!, (kept) => DATA.includes(kept));
  const [init, setInit] = useKnob(`${ID}.init`, INITS[0]!, (kept) => INITS.includes(kept));
  const experiment = useExperiment(ID, { data, init });
  const { run } = experiment;
  const measuring = run?.trials.some((trial) => trial.phase === "measuring") ?? false;
  return (
    <>
      <div class="knobs">
        <Choose label={t("knob.data")} value={data} change={setData} options={DATA.map((value) => ({ value, label: tt(`data.${value}`) }))} />
        <Choose label={t("knob.init")} value={init} change={setInit} options={INITS.map((value) => ({ value, label: tt(`init.${value}`) }))} />
      </div>
      <Prediction id={ID} />
      <Controls experiment={experiment} locked={!predicted} label={t("race.start")} />
      <Shown experiment={experiment}>
        <Track run={run} arms={racing()} of={(trial) => armsAt(trial, true)} />
        {!run?.result && (
          <LiveChart
            run={run}
            quantity="metric"
            percent
            title={t("race.chart")}
            label={run && !measuring ? t("race.tuning") : t("chart.seeds")}
            most={1000}
            arms={racing()}
            of={(trial) => armsAt(trial, measuring)}
          />
        )}
        <VerdictCard run={run} name={ID} />
      </Shown>
    </>
  );
}

// Both arms at their best learning rates, as soon as those are known; until then all that are tried.
export function armsAt(trial: TrialShown, measuring: boolean): string[] {
  const places = trial.places.filter((place) => (measuring ? place.at.includes("best") : trial.phase === "tuning"));
  return places.map((place) => place.cell.arm!);
}

export const chapter: ChapterShown = {
  id: ID,
  minutes: 8,
  experiments: [ID],
  check: { options: ["seconds", "luck", "colour"], right: "seconds" },
  Scene,
  Experiment,
};

// Chapter 1: the mixed-up factory.

import { LayerFilm } from "../charts/histogram";
import { LiveChart } from "../charts/live";
import type { FactorySettings } from "../made/messages";
import { useKnob } from "../memory";
import { Prediction, usePredicted } from "../parts/choice";
import { Controls, Shown, useExperiment, VerdictCard } from "../parts/experiment";
import { Slider } from "../parts/knobs";
import { t, tt } from "../words";
import { named } from "../words/named";
import type { ChapterShown } from "./chapter";

const ID = "factory";
const INGREDIENTS = ["sugar_cups", "flour_g", "butter_g", "oven_c"];
const STEPS = [-3, -2, -1, 0, 1, 2, 3].map((power) => 2 ** power);

function Scene() {
  const heights = [30, 74, 18, 52, 96, 24, 64];
  return (
    <svg viewBox="0 0 640 150" class="scene" role="img" aria-label={t("factory.scene")}>
      <path d="M20 132H620" class="ground" />
      {heights.map((height, i) => (
        <g key={i} transform={`translate(${60 + i * 62} 132)`}>
          <rect x="-20" y={-height} width="40" height={height} rx="5" class={i % 2 ? "sack flour" : "sack sugar"} />
          <path d={`M-20 ${-height + 12}h40`} class="line" />
        </g>
      ))}
      <g transform="translate(545 92)">
        <rect x="-34" y="-34" width="68" height="58" rx="12" class="robot robot-0" />
        <circle cx="-12" cy="-12" r="6" class="eye" />
        <circle cx="12" cy="-12" r="6" class="eye" />
        <path d="M-14 10q7-9 14 0t14 0" class="mouth" />
        <path d="M-20 24v16M20 24v16" class="line" />
        <text x="40" y="-36" class="question">?</text>
      </g>
    </svg>
  );
}

type Amounts = FactorySettings["amounts"];

function Experiment() {
  const predicted = usePredicted(ID);
  const [amounts, setAmounts] = useKnob<Amounts>(`${ID}.amounts`, {}, (kept) => INGREDIENTS.every((name) => STEPS.includes(kept[name] ?? 1)));
  const changed = Object.fromEntries(Object.entries(amounts).filter(([, factor]) => factor !== 1));
  const experiment = useExperiment(ID, { amounts: changed });
  const { run } = experiment;
  const arms = ["none", "batch"].map((id) => ({ id, name: named(ID, id) }));
  return (
    <>
      <fieldset class="knobs">
        <legend>{t("factory.amounts")}</legend>
        {INGREDIENTS.map((name) => {
          const power = Math.log2(amounts[name] ?? 1);
          return (
            <Slider key={name} label={tt(`ingredient.${name}`)} min={-3} max={3} step={1} value={power} shown={power < 0 ? `÷ ${2 ** -power}` : `× ${2 ** power}`} change={(v) => setAmounts({ ...amounts, [name]: 2 ** v })} />
          );
        })}
      </fieldset>
      <Prediction id={ID} />
      <Controls experiment={experiment} locked={!predicted} label={t("factory.start")} />
      <Shown experiment={experiment}>
        <LayerFilm run={run} arms={arms} />
        <LiveChart run={run} quantity="metric" percent title={t("factory.chart")} label={t("chart.seeds")} most={400} arms={arms} of={(trial) => trial.places.map((place) => place.cell.arm!)} />
        <VerdictCard run={run} name={ID} />
      </Shown>
    </>
  );
}

export const chapter: ChapterShown = {
  id: ID,
  minutes: 6,
  experiments: [ID],
  check: { options: ["moving", "big", "slow"], right: "moving" },
  Scene,
  Experiment,
};

// Chapter 4: how fast may we learn?

import { useState } from "preact/hooks";

import { Controls, useExperiment, VerdictCard } from "../parts/experiment";
import { Choose } from "../parts/knobs";
import { LiveStrip } from "../parts/claim";
import { usePredicted } from "../parts/choice";
import { t, tt } from "../words";
import type { ChapterShown } from ".";

const ID = "rates";

function Scene() {
  return (
    <svg viewBox="0 -14 640 148" class="scene" role="img" aria-label={t("rates.scene")}>
      <path d="M40 110A110 110 0 0 1 260 110" class="dial" />
      <path d="M150 110L95 52" class="needle" />
      <path d="M380 110A110 110 0 0 1 600 110" class="dial wide" />
      <path d="M490 110L545 52" class="needle" />
      <text x="150" y="126" text-anchor="middle">{tt("arm.none")}</text>
      <text x="490" y="126" text-anchor="middle">{tt("arm.batch")}</text>
    </svg>
  );
}

function Experiment() {
  const experiment = useExperiment(ID);
  const predicted = usePredicted(ID);
  const [data, setData] = useState("digits");
  const { run } = experiment;
  return (
    <>
      <div class="knobs">
        <Choose label={t("knob.data")} value={data} change={setData} options={["digits", "cookies", "mnist1d"].map((value) => ({ value, label: tt(`data.${value}`) }))} />
      </div>
      <Controls experiment={experiment} settings={{ data }} locked={!predicted} label={t("rates.start")} />
      {!run?.verdict && <LiveStrip run={run} row={(trial) => tt(`arm.${trial.norm}`)} column={(trial) => trial.rate} columnName="knob.rate" />}
      <VerdictCard run={run} name={ID} id={ID} />
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

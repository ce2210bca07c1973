// Chapter 4: how fast may we learn?

import type { RatesSettings } from "../made/messages";
import { useKnob } from "../memory";
import { Prediction, usePredicted } from "../parts/choice";
import { LiveStrip, type Strip } from "../parts/claim";
import { Controls, Shown, useExperiment, VerdictCard } from "../parts/experiment";
import { Choose } from "../parts/knobs";
import { t, tt } from "../words";
import { named } from "../words/named";
import type { ChapterShown } from "./chapter";
import { Dial } from "./rates-dial";

const ID = "rates";
const DATA: RatesSettings["data"][] = ["digits", "cookies", "mnist1d"];

function Scene() {
  return (
    <svg viewBox="0 -14 640 148" class="scene" role="img" aria-label={t("rates.scene")}>
      <path d="M40 110A110 110 0 0 1 260 110" class="dial" />
      <path d="M150 110V30" class="needle" />
      <path d="M380 110A110 110 0 0 1 600 110" class="dial" />
      <path d="M490 110V30" class="needle" />
      <text x="320" y="70" text-anchor="middle" class="question">?</text>
      <text x="150" y="126" text-anchor="middle">{tt("arm.none")}</text>
      <text x="490" y="126" text-anchor="middle">{tt("arm.batch")}</text>
    </svg>
  );
}

const STRIP: Strip = {
  blocks: ["rates"],
  row: (place) => named("learning-rate", place.cell.arm!),
  column: (trial) => trial.rate,
  columnName: "knob.rate",
};

function Experiment() {
  const predicted = usePredicted(ID);
  const [data, setData] = useKnob(`${ID}.data`, DATA[0]!, (kept) => DATA.includes(kept));
  const experiment = useExperiment(ID, { data });
  const { run } = experiment;
  return (
    <>
      <div class="knobs">
        <Choose label={t("knob.data")} value={data} change={setData} options={DATA.map((value) => ({ value, label: tt(`data.${value}`) }))} />
      </div>
      <Prediction id={ID} />
      <Controls experiment={experiment} locked={!predicted} label={t("rates.start")} />
      <Shown experiment={experiment}>
        {!run?.result && <LiveStrip run={run} strip={STRIP} />}
        <VerdictCard run={run} name={ID} />
      </Shown>
    </>
  );
}

export const chapter: ChapterShown = {
  id: ID,
  minutes: 6,
  experiments: [ID],
  check: { options: ["wide", "best", "always"], right: "wide" },
  Scene,
  Touch: Dial,
  Experiment,
};

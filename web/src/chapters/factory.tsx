// Chapter 1: the mixed-up factory.

import type { FactorySettings } from "../made/messages";
import { useKnob } from "../memory";
import { Prediction, usePredicted } from "../parts/choice";
import { Controls, Shown, useExperiment, VerdictCard } from "../parts/experiment";
import { Slider } from "../parts/knobs";
import { t, tt } from "../words";
import { named } from "../words/named";
import type { ChapterShown } from "./chapter";
import { Piles, Sacks } from "./factory-scene";

const ID = "factory";
const INGREDIENTS = ["sugar_cups", "flour_g", "butter_g", "oven_c"];
const LAYERS = 3; // of the chapter's networks
const STEPS = [-3, -2, -1, 0, 1, 2, 3].map((power) => 2 ** power);

type Amounts = FactorySettings["amounts"];

function Experiment() {
  const predicted = usePredicted(ID);
  const [amounts, setAmounts] = useKnob<Amounts>(`${ID}.amounts`, {}, (kept) => INGREDIENTS.every((name) => STEPS.includes(kept[name] ?? 1)));
  const changed = Object.fromEntries(Object.entries(amounts).filter(([, factor]) => factor !== 1));
  const experiment = useExperiment(ID, { amounts: changed });
  const { run } = experiment;
  const arms = ["none", "batch"].map((id) => ({ id, name: named(ID, id) }));
  const sacks = INGREDIENTS.map((name) => {
    const power = Math.log2(amounts[name] ?? 1);
    return { id: name, name: tt(`ingredient.${name}`), power, shown: power < 0 ? `÷ ${2 ** -power}` : `× ${2 ** power}` };
  });
  return (
    <>
      <Sacks sacks={sacks} />
      <fieldset class="knobs">
        <legend>{t("factory.amounts")}</legend>
        {sacks.map(({ id, name, power, shown }) => (
          <Slider key={id} label={name} min={-3} max={3} step={1} value={power} shown={shown} change={(v) => setAmounts({ ...amounts, [id]: 2 ** v })} />
        ))}
      </fieldset>
      <Prediction id={ID} />
      <Controls experiment={experiment} locked={!predicted} label={t("factory.start")} />
      <Shown experiment={experiment}>
        <Piles run={run} arms={arms} layers={LAYERS} />
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
  Experiment,
};

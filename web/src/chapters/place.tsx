// Chapter 6: where to put the machine.

import { Claims, type ClaimShown } from "../parts/claim";
import { named } from "../words/named";
import type { ChapterShown } from "./chapter";
import { Place } from "./place-belt";

const ID = "place";

const SHOWN: ClaimShown[] = [
  {
    claim: "placement",
    name: "place",
    data: ["digits", "cookies", "mnist1d"],
    blocks: ["raw"],
    row: (place) => named("placement", place.cell.arm!),
    column: (trial) => trial.rate,
    columnName: "knob.rate",
    Play: Place,
  },
  {
    claim: "feature-scaling",
    name: "place.door",
    data: ["cookies", "digits"],
    blocks: ["arms"],
    row: (place) => named("feature-scaling", place.cell.arm!),
    column: (trial) => trial.rate,
    columnName: "knob.rate",
  },
];

function Experiment() {
  return <Claims shown={SHOWN} />;
}

export const chapter: ChapterShown = {
  id: ID,
  minutes: 6,
  experiments: SHOWN.map((one) => one.name),
  check: { options: ["once", "never", "twice"], right: "once" },
  Experiment,
};

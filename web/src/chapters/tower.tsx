// Chapter 5: the tower.

import { Claims, type ClaimShown } from "../parts/claim";
import { named } from "../words/named";
import type { ChapterShown } from "./chapter";
import { Whisper } from "./tower-scene";

const ID = "tower";

const SHOWN: ClaimShown[] = [
  {
    claim: "depth",
    name: "tower",
    data: ["digits", "cookies"],
    blocks: ["depths"],
    row: (place) => named("depth", `${place.cell.arm}/${place.cell.setting}`),
    column: (trial) => trial.depth,
    columnName: "knob.depth",
  },
  {
    claim: "gradients",
    name: "tower.gradients",
    data: ["digits", "cookies"],
    blocks: ["trained"],
    row: (place) => named("gradients", `${place.cell.arm}/${place.cell.init}`),
    column: (trial) => trial.rate,
    columnName: "knob.rate",
  },
];

function Experiment() {
  return <Claims shown={SHOWN} />;
}

export const chapter: ChapterShown = {
  id: ID,
  minutes: 7,
  experiments: SHOWN.map((one) => one.name),
  check: { options: ["many", "wide", "slow"], right: "many" },
  Touch: Whisper,
  Experiment,
};

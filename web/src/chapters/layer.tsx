// Chapter 7: one order at a time. Layer norm against batch norm.

import { Claims, type ClaimShown } from "../parts/claim";
import { named } from "../words/named";
import type { ChapterShown } from "./chapter";
import { Shop } from "./layer-shop";

const ID = "layer";

const SHOWN: ClaimShown[] = [
  {
    claim: "layer-norm",
    name: "layer",
    data: ["digits", "mnist1d"],
    blocks: ["trained"],
    row: (place) => named("layer-norm", place.cell.arm!),
    column: (trial) => trial.batch,
    columnName: "knob.batch",
  },
  {
    claim: "sequences",
    name: "layer.stories",
    data: ["stories"],
    blocks: ["arms"],
    row: (place) => named("sequences", place.cell.arm!),
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
  check: { options: ["row", "column", "all"], right: "row" },
  Touch: Shop,
  Experiment,
};

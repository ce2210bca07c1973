// Chapter 8: break it.

import { Claims, type ClaimShown } from "../parts/claim";
import { tt } from "../words";
import { named } from "../words/named";
import { Parts } from "./break-parts";
import type { ChapterShown } from "./chapter";

const ID = "break";

const SHOWN: ClaimShown[] = [
  {
    claim: "epsilon",
    name: "break.eps",
    data: ["digits", "cookies"],
    blocks: ["eps"],
    row: (place) => named("epsilon", place.cell.place!),
    column: (trial) => trial.eps,
    columnName: "break.eps.column",
  },
  {
    claim: "gamma-beta",
    name: "break.knobs",
    data: ["digits", "mnist1d"],
    blocks: ["wide", "narrow"],
    row: (place) => named("gamma-beta", `${place.cell.arm}/${place.block}`),
    column: (trial) => trial.rate,
    columnName: "knob.rate",
  },
  {
    claim: "train-eval",
    name: "break.eval",
    data: ["digits", "mnist1d"],
    blocks: ["trained", "tested"],
    row: (_place, trial) => tt(`statistics.${trial.statistics}`),
    column: (trial) => trial.tested || trial.batch,
    columnName: "knob.batch",
  },
  {
    claim: "regularization",
    name: "break.noise",
    data: ["digits", "cookies"],
    blocks: ["little", "noisy"],
    row: (place) => named("regularization", `${place.cell.arm}/${place.block}`),
    column: (trial) => trial.rate,
    columnName: "knob.rate",
  },
];

function Experiment() {
  return <Claims shown={SHOWN} Choice={Parts} />;
}

export const chapter: ChapterShown = {
  id: ID,
  minutes: 7,
  experiments: SHOWN.map((one) => one.name),
  check: { options: ["running", "luck", "bigger"], right: "running" },
  Experiment,
};

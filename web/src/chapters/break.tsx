// Chapter 8: break it.

import { Claims, type ClaimShown } from "../parts/claim";
import { t, tt } from "../words";
import { named } from "../words/named";
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

function Scene() {
  return (
    <svg viewBox="0 0 640 140" class="scene" role="img" aria-label={t("break.scene")}>
      <path d="M20 124H620" class="ground" />
      <g transform="translate(300 74) rotate(-8)">
        <rect x="-70" y="-44" width="140" height="88" rx="16" class="robot robot-0" />
        <path d="M-20 -44l12 26l-14 16l18 18l-8 24" class="crack" />
        <circle cx="36" cy="22" r="10" class="knob-dot" />
      </g>
      {[0, 1, 2, 3].map((i) => <path key={i} d={`M${410 + i * 26} ${50 - i * 6}l10 -14`} class="line" />)}
      <text x="460" y="104" class="question">0 / 0</text>
    </svg>
  );
}

function Experiment() {
  return <Claims shown={SHOWN} />;
}

export const chapter: ChapterShown = {
  id: ID,
  minutes: 7,
  experiments: SHOWN.map((one) => one.name),
  check: { options: ["running", "luck", "bigger"], right: "running" },
  Scene,
  Experiment,
};

// Chapter 6: where to put the machine.

import { Claims, type ClaimShown } from "../parts/claim";
import { t } from "../words";
import { named } from "../words/named";
import type { ChapterShown } from "./chapter";

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

function Scene() {
  const machine = (x: number, key: string) => (
    <g key={key} transform={`translate(${x} 78)`}>
      <rect x="-17" y="-30" width="34" height="60" rx="8" class="robot robot-1" />
      <text x="0" y="6" text-anchor="middle">⚖</text>
    </g>
  );
  return (
    <svg viewBox="0 0 640 150" class="scene" role="img" aria-label={t("place.scene")}>
      <path d="M20 118H620" class="ground" />
      {machine(70, "door")}
      {[170, 400].map((x) => (
        <g key={x}>
          <rect x={x - 34} y="52" width="68" height="56" rx="10" class="robot" />
          <text x={x} y="86" text-anchor="middle">Σ</text>
          {machine(x + 72, `m${x}`)}
          <path d={`M${x + 106} 78h14l-5 -6M${x + 120} 78l-5 6`} class="line" />
          <circle cx={x + 146} cy="80" r="20" class="cookie" />
        </g>
      ))}
    </svg>
  );
}

function Experiment() {
  return <Claims shown={SHOWN} />;
}

export const chapter: ChapterShown = {
  id: ID,
  minutes: 6,
  experiments: SHOWN.map((one) => one.name),
  check: { options: ["once", "never", "twice"], right: "once" },
  Scene,
  Experiment,
};

// Chapter 5: the tower.

import { Claims, type ClaimShown } from "../parts/claim";
import { t } from "../words";
import { named } from "../words/named";
import type { ChapterShown } from "./chapter";

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

function Scene() {
  const floors = Array.from({ length: 11 }, (_, i) => i);
  return (
    <svg viewBox="0 0 640 190" class="scene" role="img" aria-label={t("tower.scene")}>
      <path d="M20 178H620" class="ground" />
      <text x="295" y="104" text-anchor="middle" class="question">?</text>
      {[150, 440].map((x, tower) => (
        <g key={x}>
          {floors.map((i) => (
            <g key={i}>
              <rect x={x - 34} y={162 - i * 14} width="68" height="12" rx="3" class={`robot robot-${tower}`} />
              <circle cx={x} cy={168 - i * 14} r="2.5" class="bulb" />
            </g>
          ))}
          {tower === 1 && <path d={`M${x + 34} 170C${x + 84} 150 ${x + 84} 50 ${x + 34} 26`} class="way-around" />}
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
  minutes: 7,
  experiments: SHOWN.map((one) => one.name),
  check: { options: ["many", "wide", "slow"], right: "many" },
  Scene,
  Experiment,
};

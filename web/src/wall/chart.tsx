// Votes as bars; a dot for each pair, and all pairs together with their interval, against the claim.

import { extent, scale } from "../charts/scale";
import type { Dot, Pooled } from "../made/room";
import { PREDICTIONS } from "../parts/predictions";
import { inline } from "../parts/prose";
import { tt, written } from "../words";
import { FEWEST, isRatio, placed } from "./seen";

export function Votes({ experiment, votes }: { experiment: string; votes: { [option: string]: number } }) {
  const { options } = PREDICTIONS[experiment]!;
  const most = Math.max(1, ...options.map((option) => votes[option] ?? 0));
  return (
    <ul class="votes">
      {options.map((option) => (
        <li key={option}>
          <span>{inline(tt(`${experiment}.predict.${option}`))}</span>
          <meter min={0} max={most} value={votes[option] ?? 0} aria-hidden="true" />
          <strong>{written(votes[option] ?? 0)}</strong>
        </li>
      ))}
    </ul>
  );
}

const WIDTH = 1000;
const MARGIN = 40;

export function Dots(props: { dots: Dot[]; pooled: Pooled | null; marks: number[]; says: string; touch: (pair: number) => void }) {
  const { dots, pooled, marks } = props;
  const log = isRatio(pooled?.unit ?? "");
  const ends = (pooled && pooled.pairs >= FEWEST ? [pooled.low, pooled.high] : []).filter((end): end is number => typeof end === "number" && (!log || end > 0));
  const values = dots.map((dot) => dot.value);
  const [low, high] = extent([...values, ...ends, ...marks, log ? 1 : 0], log);
  const at = scale(low, high, MARGIN, WIDTH - MARGIN, { log: false, wanted: 8 });
  const where = log ? scale(low, high, MARGIN, WIDTH - MARGIN, { log: true }) : at;
  // Ratios are far from decades apart: they have ticks of their own.
  const ticks = log ? at.ticks.filter(({ value }) => value > 0).filter(({ value }, i, all) => i === 0 || where(value) - where(all[i - 1]!.value) > 45) : at.ticks;
  const size = dots.length > 120 ? 9 : dots.length > 40 ? 13 : 18;
  const found = placed(dots, where, 2 * size + 2);
  const rows = Math.max(1, ...found.map(({ row }) => row + 1));
  const ground = 30 + rows * (2 * size + 2);
  const bounded = new Set(dots.filter((dot) => dot.bound).map((dot) => dot.pair));
  return (
    <svg viewBox={`0 0 ${WIDTH} ${ground + 110}`} class="dots" role="group" aria-label={props.says}>
      {marks.map((mark) => (
        <g key={mark} class="claimed" transform={`translate(${where(mark)} 0)`}>
          <path d={`M0 18V${ground}M0 ${ground + 34}v52`} />
          <text y="13" text-anchor="middle">{tt("wall.claimed", { value: written(mark) })}</text>
        </g>
      ))}
      <path d={`M${MARGIN} ${ground}H${WIDTH - MARGIN}`} class="ground" />
      {ticks.map(({ value, label }) => (
        <text key={value} x={where(value)} y={ground + 24} text-anchor="middle">{label}</text>
      ))}
      {found.map(({ pair, x, row }) => (
        <g key={pair} class={bounded.has(pair) ? "dot bound" : "dot"} role="button" tabindex={0} aria-label={tt("wall.pair", { pair })} transform={`translate(${x} ${ground - 4 - size - row * (2 * size + 2)})`} onClick={() => props.touch(pair)} onKeyDown={(event) => event.key === "Enter" && props.touch(pair)}>
          <circle r={size} />
          {size > 9 && <text y={size / 3} text-anchor="middle" style={{ fontSize: `${size * 0.95}px` }}>{pair}</text>}
        </g>
      ))}
      {pooled && pooled.value !== null && pooled.pairs > 1 && (
        <g class="pooled" transform={`translate(0 ${ground + 60})`}>
          {pooled.pairs >= FEWEST && <path d={`M${pooled.low === null || (log && pooled.low <= 0) ? MARGIN : where(pooled.low)} 0H${pooled.high === null ? WIDTH - MARGIN : where(pooled.high)}`} />}
          <path class="middle" d={`M${where(pooled.value)} -16l14 16l-14 16l-14 -16z`} />
        </g>
      )}
    </svg>
  );
}

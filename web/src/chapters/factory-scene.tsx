// The factory: sacks as high as the amounts, and under each baker a pile of what goes into its
// decision, beside the pile at the start.

import { Drawn } from "../charts/drawn";
import type { Arm } from "../charts/live";
import { digits, scale } from "../charts/scale";
import { useWide } from "../charts/size";
import { metricAt } from "../charts/track";
import type { Run } from "../live/run";
import { useRun } from "../live/use";
import type { Layers, LayerShown } from "../made/messages";
import { REACH } from "../made/protocol";
import { Reel, useFilm } from "../parts/reel";
import { t, written } from "../words";

const HIGH = 62; // of a pile
const FLOOR = 126; // below the top of an arm's row
const ROW = 150;

export interface Sack {
  name: string;
  power: number; // of two
  shown: string;
}

export function Sacks({ sacks }: { sacks: Sack[] }) {
  const [box, wide] = useWide<HTMLDivElement>(320);
  const each = (wide - 70) / sacks.length;
  return (
    <div class="floor" ref={box}>
      <svg viewBox={`0 0 ${wide} 150`} role="img" aria-label={`${t("factory.scene")} ${sacks.map(({ name, shown }) => `${name} ${shown}`).join(", ")}`}>
        {sacks.map(({ name, power, shown }, i) => {
          const high = 44 + 13 * power;
          return (
            <g key={name} transform={`translate(${each * (i + 0.5)} 118)`}>
              <g class="rises" style={{ transform: `translateY(${-high}px)` }}>
                <rect x="-18" width="36" height="100" rx="6" class={i % 2 ? "sack flour" : "sack sugar"} />
                <text y="-7" text-anchor="middle" class="amount">{shown}</text>
              </g>
            </g>
          );
        })}
        <rect y="118" width={wide} height="32" class="under" />
        <path d={`M4 118H${wide - 4}`} class="ground" />
        {sacks.map(({ name }, i) => <text key={name} x={each * (i + 0.5)} y="138" text-anchor="middle">{name}</text>)}
        <Baker at={`translate(${wide - 36} 96)`} look="robot" />
      </svg>
    </div>
  );
}

function Baker({ at, look }: { at: string; look: string }) {
  return (
    <g transform={at}>
      <rect x="-17" y="-15" width="34" height="30" rx="8" class={`robot ${look}`} />
      <circle cx="-6" cy="-4" r="3" class="eye" />
      <circle cx="6" cy="-4" r="3" class="eye" />
      <path d="M-6 6h12" class="mouth" />
    </g>
  );
}

// Where the mean is and how wide the pile, in spreads of the pile at the start.
export function wandered(now: LayerShown, start: LayerShown): { away: number; wide: number } {
  const spread = start.std || 1;
  return { away: ((now.mean ?? NaN) - (start.mean ?? NaN)) / spread, wide: (now.std ?? NaN) / spread };
}

// The outline of a pile, from the floor up.
export function outline(counts: number[], most: number, width: number): string {
  const each = width / counts.length;
  return `M0 0${counts.map((count, i) => `V${((-count / most) * HIGH).toFixed(1)}H${((i + 1) * each).toFixed(1)}`).join("")}V0`;
}

const share = (of: number, pile: LayerShown) => Math.round((100 * of) / (pile.below + pile.above + pile.counts.reduce((a, b) => a + b, 0)));

function Pile({ now, start, width, arm }: { now: LayerShown; start: LayerShown; width: number; arm: string }) {
  const most = Math.max(1, ...now.counts, ...start.counts);
  const at = scale(-REACH, REACH, 0, width);
  const { away } = wandered(now, start);
  const mean = at(Math.max(-REACH, Math.min(REACH, away || 0)));
  const [below, above] = [share(now.below, now), share(now.above, now)];
  return (
    <>
      <path d={outline(now.counts, most, width)} fill={`var(--arm-${arm})`} class="crumbs" />
      <path d={outline(start.counts, most, width)} class="ghost" />
      <path d={`M${mean} 1l-5 8h10Z`} class="mean" />
      {below > 0 && <text y={-HIGH / 2} class="tight">{`◂ ${below} %`}</text>}
      {above > 0 && <text x={width} y={-HIGH / 2} text-anchor="end" class="tight">{`${above} % ▸`}</text>}
    </>
  );
}

// The pair of the first seed is shown, each with its place in the run.
function pairOf(run: Run) {
  const first = Math.min(...run.trials.map((trial) => trial.seed));
  return run.trials.map((trial, place) => ({ trial, place, arm: trial.places[0]?.cell.arm ?? "" })).filter(({ trial }) => trial.seed === first);
}

export function Piles({ run, arms, layers }: { run: Run | null; arms: Arm[]; layers: number }) {
  useRun(run);
  const [box, wide] = useWide<HTMLElement>(320);
  const frames = run?.layers ?? [];
  const film = useFilm(run, frames.length - 1);
  const frame = frames[film.at];
  const pair = run ? pairOf(run) : [];
  const lost = run?.result && !frame; // of a run that was kept, pictures are not
  const column = wide / layers;
  const inner = column - 14;
  const at = scale(-REACH, REACH, 0, inner);
  const numbers = Array.from({ length: layers }, (_, i) => i);
  const pile = (shown: Layers | undefined, arm: string, layer: number) => shown?.arms.find((one) => one.arm === arm)?.layers[layer];
  const rows = arms.map((arm) => {
    const lane = pair.find((one) => one.arm === arm.id);
    const right = run && frame && lane ? metricAt(run, lane, frame.step) : null;
    const piles = numbers.map((layer) => ({ now: pile(frame, arm.id, layer), start: pile(frames[0], arm.id, layer) }));
    const said = piles.flatMap(({ now, start }, i) => {
      const found = now && start && wandered(now, start);
      return found ? [t("layers.alt", { n: i + 1, away: digits(found.away), wide: digits(found.wide) })] : [];
    });
    return { ...arm, piles, title: right === null ? arm.name : `${arm.name}: ${t("layers.right", { n: Math.round(100 * right) })}`, said: said.join("; ") };
  });
  return (
    <figure class="figure floor" ref={box} hidden={!!lost} aria-label={t("layers.title")}>
      <figcaption>
        <strong>{t("layers.title")}</strong>
        <span>{t("layers.says")}</span>
      </figcaption>
      {frame && <Reel film={film} shown={`${frame.step}`} />}
      <svg viewBox={`0 0 ${wide} ${ROW * arms.length + 8}`} role="img" aria-label={rows.map((row) => [row.title, row.said].filter(Boolean).join(": ")).join(". ")}>
        {rows.map((row, r) => (
          <g key={row.id} transform={`translate(0 ${ROW * r})`}>
            <text x="2" y="14" class="amount">{row.title}</text>
            <path d={`M4 46H${wide - 4}`} class="ground" />
            {row.piles.map(({ now, start }, i) => (
              <g key={i} transform={`translate(${column * i + 7} ${FLOOR})`}>
                <Baker at={`translate(${inner / 2} -88)`} look={`robot-${r}`} />
                {now && start && <Pile now={now} start={start} width={inner} arm={row.id} />}
                <text y="-67" class="tight">{inner > 120 ? t("layers.layer", { n: i + 1 }) : i + 1}</text>
                <path d={`M0 0H${inner}`} class="axis" />
                {(inner > 120 ? [-4, -2, 0, 2, 4] : [-4, 0, 4]).map((tick) => (
                  <g key={tick} transform={`translate(${at(tick)} 0)`}>
                    <path d="M0 0v4" class="axis" />
                    <text y="19" text-anchor="middle">{written(tick)}</text>
                  </g>
                ))}
              </g>
            ))}
          </g>
        ))}
      </svg>
      <p class="axis-name">{t("layers.axis")}</p>
      {pair.length > 0 && <Drawn trials={pair.map(({ trial }) => trial)} />}
      {frame && (
        <details>
          <summary>{t("chart.numbers")}</summary>
          <Numbers frames={frames} arms={arms} />
        </details>
      )}
    </figure>
  );
}

// How far each pile's middle had wandered, picture by picture.
function Numbers({ frames, arms }: { frames: Layers[]; arms: Arm[] }) {
  const every = Math.ceil(frames.length / 10);
  const some = frames.filter((_, i) => i % every === 0 || i === frames.length - 1);
  const names = frames[0]!.arms.flatMap(({ arm, layers }) => layers.map((_, i) => `${arms.find(({ id }) => id === arm)?.name ?? arm}, ${t("layers.layer", { n: i + 1 })}`));
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table>
        <caption>{t("layers.axis")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("chart.step")}</th>
            {names.map((name) => <th scope="col" key={name}>{name}</th>)}
          </tr>
        </thead>
        <tbody>
          {some.map((frame) => (
            <tr key={frame.step}>
              <th scope="row">{frame.step}</th>
              {frame.arms.flatMap(({ arm, layers }, a) => layers.map((layer, i) => <td key={`${arm} ${i}`}>{digits(wandered(layer, frames[0]!.arms[a]!.layers[i]!).away)}</td>))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// The machine is pushed to a place on the belt and a network trained there; a board keeps what came of it.

import { useEffect, useState } from "preact/hooks";

import { Drawn } from "../charts/drawn";
import { useWide } from "../charts/size";
import { live } from "../live/live";
import type { Run } from "../live/run";
import { useRun } from "../live/use";
import type { ClaimSettings } from "../made/messages";
import { APART } from "../made/room";
import { memory, useKnob } from "../memory";
import { Levelled } from "../parts/prose";
import { useFilm } from "../parts/reel";
import { t, tt } from "../words";
import { named } from "../words/named";

const STEPS = 100;
const RATES = [0.001, 0.01, 0.1, 1]; // no place is good at all of them: the best one counts
const PLACES = ["none", "input", "before", "after"] as const; // as they stand on the belt
const EDGE = 32; // from the picture's edge to the first place
const THUMB = 16; // pixels of a native slider's

type At = (typeof PLACES)[number];

export interface Tried {
  data: string;
  at: At;
  rights: number[]; // shares of test examples, one for each start
}

// How the network that came furthest got there, in every second point: a film of three seconds. What
// blew up has learned nothing.
export function bestOf(run: Run): number[] {
  const ways = RATES.map((_, i) => (run.ended.get(i)?.how === "finished" ? (run.curves[i]?.metric ?? []) : [0]));
  const best = ways.reduce((a, b) => ((b.at(-1) ?? 0) > (a.at(-1) ?? 0) ? b : a));
  return best.filter((_, i) => (best.length - 1 - i) % 2 === 0);
}

export function added(board: Tried[], data: string, at: At, right: number): Tried[] {
  const mine = (one: Tried) => one.data === data && one.at === at;
  const rights = [...(board.find(mine)?.rights ?? []), right];
  return [...board.filter((one) => !mine(one)), { data, at, rights }];
}

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

function fits(kept: Tried[]): boolean {
  return Array.isArray(kept) && kept.every((one) => PLACES.includes(one?.at) && Array.isArray(one.rights) && one.rights.length > 0 && one.rights.every(Number.isFinite));
}

function Belt({ at, move, busy }: { at: At; move: (at: At) => void; busy: boolean }) {
  const [box, wide] = useWide<HTMLDivElement>(320);
  const x = (place: number) => EDGE + (place * (wide - 2 * EDGE)) / (PLACES.length - 1);
  const inset = `calc(${(100 * EDGE) / wide}% - ${THUMB / 2}px)`;
  return (
    <div class="belt" ref={box}>
      <input type="range" min={0} max={PLACES.length - 1} step={1} value={PLACES.indexOf(at)} style={{ left: inset, right: inset }} aria-label={t("place.machine")} aria-valuetext={named("placement", at)} onInput={(event) => move(PLACES[+event.currentTarget.value]!)} />
      <svg viewBox={`0 16 ${wide} 134`} role="img" aria-label={t("place.scene")}>
        <path d={`M${x(0.55)} 120H${wide - 4}`} class={busy ? "ground moving" : "ground"} />
        {PLACES.map((place, i) => (
          <g key={place}>
            <rect x={x(i) - 19} y="48" width="38" height="62" rx="9" class="slot" />
            <text x={x(i)} y="142" text-anchor="middle">{tt(`place.at.${place}`)}</text>
          </g>
        ))}
        <circle cx={x(1.5)} cy="88" r="20" class="robot" />
        <path d={`M${x(2.5)} 66l20 22l-20 22l-20 -22Z`} class="robot" />
        <text x={x(1.5)} y="94" text-anchor="middle">Σ</text>
        <text x={x(2.5)} y="94" text-anchor="middle">?</text>
        <text x={x(1.5)} y="32" text-anchor="middle">{t("place.mix")}</text>
        <text x={x(2.5)} y="32" text-anchor="middle">{t("place.decide")}</text>
        <g class="glides" style={{ transform: `translate(${x(PLACES.indexOf(at))}px, 79px)` }}>
          <rect x="-19" y="-31" width="38" height="62" rx="9" class="robot robot-1" />
          <circle cx="-7" cy="-14" r="3" class="eye" /><circle cx="7" cy="-14" r="3" class="eye" />
          <path d="M-9 4h18M-9 14h18" class="line" />
        </g>
      </svg>
    </div>
  );
}

export function Place({ data, locked }: { data: ClaimSettings["data"]; locked: boolean }) {
  const [at, move] = useKnob<At>("place.at", "none", (kept) => PLACES.includes(kept));
  const [board, keep] = useKnob<Tried[]>("place.board", [], fits);
  const [now, setNow] = useState<{ run: Run; at: At; data: string } | null>(null); // on the belt, or the last that was
  const run = now?.run ?? null;
  useRun(run);
  const busy = run?.busy ?? false;
  const done = run?.status === "done";
  const way = done ? bestOf(run) : [];
  const film = useFilm(run, way.length - 1);
  const moving = busy || film.playing;
  useEffect(() => {
    if (now && done) keep(added(board, now.data, now.at, way.at(-1) ?? 0));
  }, [run, done]);
  useEffect(() => () => { if (run?.busy) live.stop(run); }, [run]);
  const mine = board.filter((one) => one.data === data);
  const train = () => {
    if (locked || moving) return;
    const starts = mine.find((one) => one.at === at)?.rights.length ?? 0;
    const arm = at === "none" ? { norm: at } : { norm: "batch", placement: at };
    const arms = RATES.map((learning_rate) => ({ ...arm, learning_rate }));
    setNow({ run: live.start("bench", { data, arms, steps: STEPS, seeds: 1, seed: APART * memory.get("pair") + starts }), at, data });
  };
  // The newest start is where the film is; the others are where they ended.
  const shown = (one: Tried) => (film.playing && now?.at === one.at && now.data === data ? [...one.rights.slice(0, -1), way[film.at] ?? 0] : one.rights);
  const rows = mine.map((one) => ({ at: one.at, rights: shown(one) })).sort((a, b) => mean(b.rights) - mean(a.rights));
  return (
    <div class="put">
      <Levelled k="place.touch" />
      <Belt at={at} move={move} busy={moving} />
      <div class="put-controls">
        <button type="button" aria-disabled={locked || moving} aria-describedby={locked ? "start-note" : undefined} onClick={train}>{t("place.train")}</button>
        {rows.length > 0 && <button type="button" aria-disabled={moving} onClick={() => { if (!moving) keep(board.filter((one) => one.data !== data)); }}>{t("place.clear")}</button>}
      </div>
      <p aria-live="polite">
        {run?.status === "failed" && <span class="failed">{t("run.failed", { why: run.error })}</span>}
        {now && way.length > 0 && !moving && t("place.came", { at: named("placement", now.at), right: Math.round(100 * way.at(-1)!), n: STEPS })}
      </p>
      {done && <Drawn trials={run.trials} />}
      {rows.length > 0 && (
        <>
          <p class="quiet" id="board">{t("place.board")}</p>
          <ol class="board" aria-labelledby="board">
            {rows.map((row) => (
              <li key={row.at}>
                <span>{named("placement", row.at)}</span>
                <span class="lane" aria-hidden="true">{row.rights.map((right, i) => <i key={i} style={{ left: `${100 * right}%` }} />)}</span>
                <b>{Math.round(100 * mean(row.rights))}</b>
              </li>
            ))}
          </ol>
        </>
      )}
    </div>
  );
}

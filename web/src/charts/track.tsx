// The race as it went: one lane a seed and arm, as far right as its answers are right at that step.

import type { Run } from "../live/run";
import { useRun } from "../live/use";
import type { Result, TrialShown } from "../made/messages";
import { type Film, Reel, useFilm } from "../parts/reel";
import { t } from "../words";
import { Key } from "./arms";
import { Drawn } from "./drawn";
import type { Arm } from "./live";
import { looks } from "./looks";
import { scale, shown } from "./scale";
import { useWide } from "./size";

const LANE = 17;
const TOP = 16;
const MOST = 60; // pictures of a film

export interface Lane {
  arm: string;
  trial: TrialShown;
  place: number; // of the trial in its run
}

export function lanesOf(run: Run, arms: Arm[], of: (trial: TrialShown) => string[]): Lane[] {
  const every = run.trials.flatMap((trial, place) => of(trial).map((arm) => ({ arm, trial, place })));
  const row = (lane: Lane) => arms.findIndex((arm) => arm.id === lane.arm);
  return every.sort((a, b) => row(a) - row(b) || a.trial.seed - b.trial.seed);
}

// The steps of the pictures: those at which anything was measured, until the slower arm has been at
// the goal for a while, and at most so many.
export function picturesOf(run: Run, lanes: Lane[], end = Infinity): number[] {
  const steps = [...new Set(lanes.flatMap((lane) => run.curves[lane.place]?.step ?? []))].sort((a, b) => a - b);
  const some = steps.filter((step) => step <= end);
  const every = Math.ceil(some.length / MOST);
  return some.filter((_, i) => i % every === 0 || i === some.length - 1);
}

// What a lane has come to at a step: the newest measurement until then.
export function metricAt(run: Run, lane: Lane, step: number): number | null {
  const curve = run.curves[lane.place];
  if (!curve) return null;
  let found: number | null = null;
  for (let i = 0; i < curve.step.length && curve.step[i]! <= step; i++) found = curve.metric[i]!;
  return found;
}

function marksOf(result: Result | null): { goal: number | null; end: number } {
  const marks = result?.verdict.figures.find((figure) => figure.id === "curves/steps")?.marks ?? [];
  const steps = marks.filter((mark) => mark.id === "steps").map((mark) => mark.value ?? Infinity);
  return { goal: marks.find((mark) => mark.id === "goal")?.value ?? null, end: steps.length > 1 ? 1.25 * Math.max(...steps) : Infinity };
}

export function Track({ run, arms, of }: { run: Run | null; arms: Arm[]; of: (trial: TrialShown) => string[] }) {
  useRun(run);
  const lanes = run ? lanesOf(run, arms, of) : [];
  const { goal, end } = marksOf(run?.result ?? null);
  const steps = run ? picturesOf(run, lanes, end) : [];
  const film = useFilm(run, steps.length - 1);
  return run && film.last >= 0 ? <Picture run={run} arms={arms} lanes={lanes} goal={goal} step={steps[film.at]!} film={film} /> : null;
}

function Picture({ run, arms, lanes, goal, step, film }: { run: Run; arms: Arm[]; lanes: Lane[]; goal: number | null; step: number; film: Film }) {
  const [box, wide] = useWide<HTMLElement>(320);
  const drawn = looks(arms.map((arm) => arm.id));
  const bottom = TOP + LANE * lanes.length;
  const at = scale(0, 1, 14, wide - 30, { percent: true, wanted: 4 });
  const where = lanes.map((lane) => metricAt(run, lane, step));
  const middles = arms.map((arm) => {
    const own = where.filter((value, i) => value !== null && lanes[i]!.arm === arm.id).sort((a, b) => a! - b!);
    return `${arm.name} ${own.length ? shown(own[Math.floor(own.length / 2)]!, true) : "–"}`;
  });
  return (
    <figure class="figure track" ref={box} aria-label={t("race.track")}>
      <figcaption>
        <strong>{t("race.track")}</strong>
        <span>{t("race.track.says")}</span>
      </figcaption>
      <Reel film={film} shown={`${step}`} />
      <svg viewBox={`0 0 ${wide} ${bottom + 22}`} role="img" aria-label={`${t("layers.step")} ${step}: ${middles.join(", ")}`}>
        {lanes.map((lane, i) => <line key={lane.place} x1={at(0)} x2={at(1)} y1={TOP + LANE * (i + 0.5)} y2={TOP + LANE * (i + 0.5)} class="rule" />)}
        {goal !== null && (
          <g transform={`translate(${at(goal)} 0)`}>
            <path d={`M0 ${bottom}V2h18l-5 4.5l5 4.5H0`} class="flag" />
          </g>
        )}
        {lanes.map((lane, i) => {
          const color = drawn[arms.findIndex((arm) => arm.id === lane.arm)]!.color;
          return (
            <g key={lane.place} class="runner" style={{ transform: `translate(${at(where[i] ?? 0)}px, ${TOP + LANE * (i + 0.5)}px)` }}>
              <rect x="-9" y="-6" width="18" height="12" rx="4" fill={`var(--arm-${color})`} />
              <circle cx="-3.5" cy="-1" r="1.6" class="eye-white" /><circle cx="3.5" cy="-1" r="1.6" class="eye-white" />
            </g>
          );
        })}
        {at.ticks.map(({ value, label }) => <text key={value} x={at(value)} y={bottom + 16} text-anchor="middle">{label}</text>)}
      </svg>
      <Key arms={arms.map((arm, i) => ({ ...arm, look: drawn[i]! }))} />
      <Drawn trials={lanes.map((lane) => lane.trial)} />
    </figure>
  );
}

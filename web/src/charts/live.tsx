// Curves that grow while networks train: the median of each arm's seeds, the middle half as a band.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import type { Run } from "../live/run";
import { useRun } from "../live/use";
import type { TrialShown } from "../made/messages";
import { t } from "../words";
import { Key } from "./arms";
import { Drawn } from "./drawn";
import { colorOf, looks } from "./looks";
import { shown } from "./scale";
import { enlarged } from "./size";

// What draws lines comes with the first chart: as it is read it asks for the browser's number and date
// formats, which took four fifths of the time in which the page's script is read.
let loaded: typeof uPlot | null = null;

export async function plotting(): Promise<typeof uPlot> {
  loaded ??= (await import("uplot")).default;
  return loaded;
}

export type Quantity = "metric" | "testLoss" | "trainLoss";

export interface Arm {
  id: string;
  name: string;
}

export interface ArmCurve {
  id: string;
  step: number[];
  low: (number | null)[];
  middle: (number | null)[];
  high: (number | null)[];
  runs: number;
  diverged: number;
}

function quantile(sorted: number[], q: number): number {
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  const a = sorted[low]!;
  const b = sorted[Math.min(low + 1, sorted.length - 1)]!;
  return a + (b - a) * (at - low);
}

// The curves of a run by arm: at each step, over the seeds that have come that far.
export function armCurves(run: Run, quantity: Quantity, of: (trial: TrialShown) => string[]): ArmCurve[] {
  const arms = new Map<string, { at: Map<number, number[]>; runs: number; diverged: number }>();
  run.trials.forEach((trial, place) => {
    for (const arm of of(trial)) {
      const found = arms.get(arm) ?? { at: new Map(), runs: 0, diverged: 0 };
      arms.set(arm, found);
      found.runs++;
      if (run.ended.get(place)?.how === "diverged") found.diverged++;
      const curve = run.curves[place];
      curve?.step.forEach((step, i) => {
        const value = curve[quantity][i]!;
        if (!Number.isFinite(value)) return;
        const there = found.at.get(step);
        if (there) there.push(value);
        else found.at.set(step, [value]);
      });
    }
  });
  return [...arms].map(([id, found]) => {
    const step = [...found.at.keys()].sort((a, b) => a - b);
    const most = Math.max(1, ...[...found.at.values()].map((v) => v.length));
    const some = step.map((s) => found.at.get(s)!.sort((a, b) => a - b));
    // A step that only some seeds evaluate would make the line jump.
    const q = (share: number) => some.map((v) => (v.length * 2 >= most ? quantile(v, share) : null));
    return { id, step, low: q(0.25), middle: q(0.5), high: q(0.75), runs: found.runs, diverged: found.diverged };
  });
}

// The curves of a chart's arms in their order; an arm that has none yet has an empty one.
export function curvesOf(run: Run | null, quantity: Quantity, arms: Arm[], of: (trial: TrialShown) => string[]): ArmCurve[] {
  const found = run ? armCurves(run, quantity, of) : [];
  return arms.map(({ id }) => found.find((arm) => arm.id === id) ?? { id, step: [], low: [], middle: [], high: [], runs: 0, diverged: 0 });
}

export function aligned(arms: ArmCurve[]): uPlot.AlignedData {
  const steps = [...new Set(arms.flatMap((arm) => arm.step))].sort((a, b) => a - b);
  const data: (number | null)[][] = [];
  for (const arm of arms) {
    const place = new Map(arm.step.map((s, i) => [s, i]));
    const column = (values: (number | null)[]) => steps.map((s) => values[place.get(s) ?? -1] ?? null);
    data.push(column(arm.low), column(arm.middle), column(arm.high));
  }
  return [steps, ...data] as uPlot.AlignedData;
}

function highFor(box: HTMLElement): number {
  return box.clientWidth < 420 ? 230 : Math.round(290 * enlarged());
}

export function options(Plot: typeof uPlot, box: HTMLElement, arms: Arm[], percent: boolean, most: number): uPlot.Options {
  const ink = getComputedStyle(box).getPropertyValue("--faint-ink").trim();
  const rule = getComputedStyle(box).getPropertyValue("--rule").trim();
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  looks(arms.map((arm) => arm.id)).forEach((look, place) => {
    const color = colorOf(box, look);
    const edge: uPlot.Series = { stroke: "transparent", spanGaps: true, points: { show: false } };
    series.push(edge, { stroke: color, width: 2.5, dash: look.dash, spanGaps: true, points: { show: false } }, edge);
    bands.push({ series: [3 * place + 3, 3 * place + 1], fill: `${color}2e` });
  });
  const axis: uPlot.Axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 }, font: `${Math.round(12 * enlarged())}px system-ui, sans-serif` };
  return {
    width: box.clientWidth || 600,
    height: highFor(box),
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { time: false, range: [0, most] }, y: { range: (_u, low, high) => (percent ? [Math.max(0, Math.min(low, 0.9) - 0.02), 1] : Plot.rangeNum(low, high, 0.1, true)) } },
    axes: [
      { ...axis, size: 30 * enlarged(), values: (_u, ticks) => ticks.map((v) => `${v}`) },
      { ...axis, size: 56 * enlarged(), values: (_u, ticks) => ticks.map((v) => shown(v, percent)) },
    ],
    series,
    bands,
  };
}

export function LiveChart(props: {
  run: Run | null;
  quantity: Quantity;
  percent: boolean;
  title: string;
  label: string;
  most: number;
  arms: Arm[];
  of: (trial: TrialShown) => string[]; // ids of the arms whose curve a trial's is
}) {
  const { run, arms, percent, most } = props;
  useRun(run);
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [Plot, setPlot] = useState(() => loaded);
  useEffect(() => void plotting().then((found) => setPlot(() => found)), []);
  const ordered = curvesOf(run, props.quantity, arms, props.of);
  const drawn = looks(arms.map((arm) => arm.id));
  // The lines are made anew only where they change; their names are those of the key below.
  const signature = arms.map((arm) => arm.id).join("|") + most + percent;

  // A run from before has its verdict, and no curves.
  const empty = run !== null && !run.busy && run.curves.length === 0 && run.result !== null;

  useEffect(() => {
    const element = box.current;
    if (!element || !Plot) return;
    const make = () => {
      plot.current?.destroy();
      plot.current = new Plot(options(Plot, element, arms, percent, most), aligned(ordered), element);
    };
    make();
    const resize = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: highFor(element) }));
    resize.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", make);
    return () => {
      resize.disconnect();
      dark.removeEventListener("change", make);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [signature, empty, Plot]);

  useEffect(() => {
    plot.current?.setData(aligned(ordered));
  }, [run?.version]);

  const nameOf = (id: string) => arms.find((arm) => arm.id === id)!.name;
  const summary = useMemo(() => sentence(ordered, nameOf, percent), [run?.status, Math.floor((run?.version ?? 0) / 40)]);
  if (empty) return null;
  return (
    <figure class="figure live" aria-label={props.title}>
      <figcaption>
        <strong>{props.title}</strong>
        <span>{props.label}</span>
      </figcaption>
      <div class="plot" ref={box} aria-hidden="true" />
      <p class="axis-name" aria-hidden="true">{t("chart.step")}</p>
      <Key arms={arms.map((arm, i) => ({ ...arm, look: drawn[i]! }))} />
      <p class="summary" aria-live="polite">{summary}</p>
      <Drawn trials={run?.trials.filter((trial) => props.of(trial).length > 0) ?? []} />
      <details>
        <summary>{t("chart.numbers")}</summary>
        <LiveNumbers arms={ordered} nameOf={nameOf} percent={percent} />
      </details>
    </figure>
  );
}

function sentence(arms: ArmCurve[], nameOf: (id: string) => string, percent: boolean): string {
  const parts = arms
    .filter((arm) => arm.step.length)
    .map((arm) => {
      const last = arm.step.length - 1;
      const value = arm.middle[last];
      const lost = arm.diverged ? t("chart.diverged", { n: arm.diverged, of: arm.runs }) : "";
      return t("chart.at", { arm: nameOf(arm.id), step: arm.step[last]!, value: value === null || value === undefined ? "–" : shown(value, percent) }) + lost;
    });
  return parts.join(" ");
}

function LiveNumbers({ arms, nameOf, percent }: { arms: ArmCurve[]; nameOf: (id: string) => string; percent: boolean }) {
  const steps = [...new Set(arms.flatMap((arm) => arm.step))].sort((a, b) => a - b);
  const every = Math.ceil(steps.length / 12) || 1;
  const some = steps.filter((_, i) => i % every === 0 || i === steps.length - 1);
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("chart.step")}</th>
            {arms.map((arm) => <th scope="col" key={arm.id}>{nameOf(arm.id)}</th>)}
          </tr>
        </thead>
        <tbody>
          {some.map((s) => (
            <tr key={s}>
              <th scope="row">{s}</th>
              {arms.map((arm) => {
                const i = arm.step.indexOf(s);
                const value = i < 0 ? null : arm.middle[i];
                return <td key={arm.id}>{value === null || value === undefined ? "–" : shown(value, percent)}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

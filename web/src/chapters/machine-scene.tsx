// Cookies on lines, an ingredient a line: drag one, and see what the machine makes of them all.

import { useRef } from "preact/hooks";

import { digits, type Scale, scale } from "../charts/scale";
import { useWide } from "../charts/size";
import type { Step } from "../machine";
import { t, written } from "../words";

const LEAST = [12, 1000, 250]; // how far each ingredient's line reaches, at least
const GRAIN = [0.5, 10, 5]; // what a key adds
const REACH = 5; // of all lines, behind the machine
const FAR = 6; // beyond, numbers of one ingredient would push those of another into one point
const ROW = 74;
const EDGE = 24; // beside a line

// What a step shows: the orders, less their averages, divided by the spreads, or after the knobs.
export function shownAt(step: number, table: number[][], result: Step): number[][] {
  if (step === 0) return table;
  return step === 1 ? table.map((row) => row.map((v, c) => v - result.mean[c]!)) : step === 2 ? result.standard : result.out;
}

// How far each line reaches to either side of zero: behind the machine all as far, as long as the
// numbers fit; else each as before it, so that a pile slides and does not jump.
export function endsOf(step: number, table: number[][], shown: number[][]): number[] {
  const far = (rows: number[][], c: number) => Math.max(0, ...rows.map((row) => Math.abs(row[c]!)).filter(Number.isFinite));
  const most = Math.max(...LEAST.map((_, c) => far(shown, c)));
  return LEAST.map((least, c) => (step > 1 && most <= FAR ? Math.max(REACH, most) : Math.max(least, far(table, c), far(shown, c))));
}

// Which order has least, and so on to the most.
export function orderOf(values: number[]): string {
  return values.map((_, r) => r).sort((a, b) => values[a]! - values[b]!).map((r) => r + 1).join(", ");
}

interface Drag {
  from: number; // on the screen
  value: number; // then
  each: number; // of a pixel
}

interface Shown {
  names: string[];
  table: number[][];
  shown: number[][];
  step: number;
  change: (order: number, ingredient: number, value: number) => void;
}

export function Lines({ names, table, shown, step, change }: Shown) {
  const [box, wide] = useWide<HTMLElement>(320);
  const drag = useRef<Drag | null>(null);
  const ends = endsOf(step, table, shown);
  const lines = ends.map((end) => scale(-end, end, EDGE, wide - EDGE, { wanted: wide < 500 ? 4 : 8 }));
  const moved = (c: number, r: number, value: number) => {
    const [low, high] = [Math.min(0, table[r]![c]!), Math.max(LEAST[c]!, table[r]![c]!)];
    const grain = GRAIN[c]!;
    change(r, c, Math.min(high, Math.max(low, Math.round(value / grain) * grain)));
  };
  const key = (event: KeyboardEvent, c: number, r: number) => {
    const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5 }[event.key];
    if (!way) return;
    event.preventDefault();
    moved(c, r, table[r]![c]! + way * GRAIN[c]!);
  };
  const hold = (event: PointerEvent, c: number, r: number) => {
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    const own = endsOf(0, table, table)[c]!; // of the line before the machine
    drag.current = { from: event.clientX, value: table[r]![c]!, each: (2 * own) / (box.current!.clientWidth * (1 - (2 * EDGE) / wide)) };
  };
  const pull = (event: PointerEvent, c: number, r: number) => {
    const held = drag.current;
    if (held) moved(c, r, held.value + (event.clientX - held.from) * held.each);
  };
  const drop = () => { drag.current = null; };
  return (
    <figure class="lines" ref={box}>
      <svg viewBox={`0 0 ${wide} ${ROW * names.length}`} role="group" aria-label={t("machine.scene")}>
        {names.map((name, c) => (
          <g key={name} transform={`translate(0 ${ROW * c + 43})`}>
            <text x="2" y="-24" class="amount">{name}</text>
            <line x1="4" x2={wide - 4} y1="0" y2="0" class="rule" />
            <line x1={lines[c]!(0)} x2={lines[c]!(0)} y1="-14" y2="14" class="zero" />
            <Usual values={shown.map((row) => row[c]!)} at={lines[c]!} />
            {lines[c]!.ticks.map(({ value, label }) => <text key={value} x={lines[c]!(value)} y="26" text-anchor="middle" class="tight">{label}</text>)}
            {shown.map((row, r) => Number.isFinite(row[c]!) && (
              <g
                key={r} class="slides" role="slider" tabindex={0} aria-label={`${t("machine.batch")} ${r + 1}, ${name}`}
                aria-valuemin={Math.min(0, table[r]![c]!)} aria-valuemax={Math.max(LEAST[c]!, table[r]![c]!)} aria-valuenow={table[r]![c]!}
                aria-valuetext={step ? t("machine.becomes", { from: written(table[r]![c]!), to: digits(row[c]!, 3) }) : written(table[r]![c]!)}
                style={{ transform: `translate(${Math.max(9, Math.min(wide - 9, lines[c]!(row[c]!)))}px, ${piled(shown.map((one) => one[c]!), r)}px)` }}
                onKeyDown={(event) => key(event, c, r)} onPointerDown={(event) => hold(event, c, r)} onPointerMove={(event) => pull(event, c, r)}
                onPointerUp={drop} onPointerCancel={drop}
              >
                <circle r="16" class="grip" />
                <circle r="8.5" class="cookie" />
                <text y="4" text-anchor="middle" class="order">{r + 1}</text>
              </g>
            ))}
          </g>
        ))}
      </svg>
    </figure>
  );
}

// The average, and a bar as far to either side as the orders stray from it.
function Usual({ values, at }: { values: number[]; at: Scale }) {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const spread = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
  if (!Number.isFinite(spread)) return null;
  return (
    <g class="slides" style={{ transform: `translateX(${at(mean)}px)` }}>
      <rect x="-1" y="-11" width="2" height="22" class="stray slides" style={{ transform: `scaleX(${at(mean + spread) - at(mean)})` }} />
      <path d="M0 8l-5 7h10Z" class="mean" />
    </g>
  );
}

// Orders with the same amount pile up.
function piled(values: number[], place: number): number {
  const same = values.map((v, i) => (v === values[place] ? i : -1)).filter((i) => i >= 0);
  return 10 * (same.indexOf(place) - same.length + 1);
}

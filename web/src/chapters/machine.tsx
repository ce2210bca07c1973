// Chapter 2: the even-out machine, by hand on a small table. Nothing is trained here.

import { useState } from "preact/hooks";

import { digits, scale } from "../charts/scale";
import { useWide } from "../charts/size";
import { evenOut } from "../machine";
import { Choose, Slider } from "../parts/knobs";
import { t, tt, written } from "../words";
import type { ChapterShown } from "./chapter";

const NAMES = ["sugar_cups", "flour_g", "oven_c"];
const START = [
  [2, 400, 180],
  [10, 620, 180],
  [6, 900, 180],
  [4, 480, 180],
];
const EPS = [0, 0.00001, 0.001, 0.1, 1];
const ONES = [1, 1, 1];
const ZEROS = [0, 0, 0];
const STEPS = ["average", "spread", "standardize", "knobs"] as const;

function Scene() {
  return (
    <svg viewBox="0 0 640 150" class="scene" role="img" aria-label={t("machine.scene")}>
      <path d="M20 132H620" class="ground" />
      {[26, 84, 48, 66].map((h, i) => <rect key={i} x={40 + i * 40} y={132 - h} width="28" height={h} rx="4" class="sack flour" />)}
      <g transform="translate(320 78)">
        <rect x="-80" y="-46" width="160" height="100" rx="16" class="robot" />
        <path d="M-96 -6h16M80 -6h16" class="line" />
        <rect x="-52" y="-24" width="104" height="34" rx="6" class="screen" />
        <text x="0" y="0" text-anchor="middle" class="maths">(x − μ) / σ</text>
        <circle cx="-26" cy="32" r="10" class="knob-dot" /><path d="M-26 32l5 -8" class="line" />
        <circle cx="26" cy="32" r="10" class="knob-dot" /><path d="M26 32l-7 -6" class="line" />
      </g>
      <path d="M440 78H612" class="line" />
      {[26, 84, 48, 66].map((h, i) => {
        const above = ((h - 56) / 22) * 26; // their mean and spread
        return <rect key={i} x={450 + i * 40} y={78 - Math.max(0, above)} width="28" height={Math.max(3, Math.abs(above))} rx="4" class="sack flour" />;
      })}
    </svg>
  );
}

function cell(value: number): string {
  if (Number.isNaN(value)) return t("machine.nan");
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return whole(value);
}

// A number in four digits, and whole in front of its point: of a variance, 107 455.
function whole(value: number): string {
  return Math.abs(value) >= 1000 && Math.abs(value) < 1e9 ? written(Math.round(value)) : digits(value, 4);
}

// A number to type. What stands in the field is the learner's while they are in it: "2." is on its
// way to 2.5, and an empty field to anything.
function Amount({ value, label, change }: { value: number; label: string; change: (value: number) => void }) {
  const [draft, setDraft] = useState<string | null>(null);
  const read = (text: string) => {
    setDraft(text);
    const next = Number(text.replace(",", ".").replace("−", "-"));
    if (text.trim() !== "" && Number.isFinite(next)) change(next);
  };
  return <input type="text" inputMode="decimal" value={draft ?? written(value)} aria-label={label} onInput={(event) => read(event.currentTarget.value)} onBlur={() => setDraft(null)} />;
}

function Grid({ rows, label }: { rows: number[][]; label: string }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table>
        <caption>{label}</caption>
        <thead><tr><th scope="col">{t("machine.batch")}</th>{NAMES.map((n) => <th scope="col" key={n}>{tt(`ingredient.${n}`)}</th>)}</tr></thead>
        <tbody>
          {rows.map((row, r) => (
            <tr key={r}>
              <th scope="row">{r + 1}</th>
              {row.map((value, c) => <td key={c} class={Number.isFinite(value) ? "" : "odd"}>{cell(value)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const FAR = 6; // beyond, numbers of one ingredient would push those of another into one point

// What each line shows: behind the machine one scale for all, as long as they fit on it; else, as
// before the machine, each ingredient its own, from 0 on.
export function scalesOf(columns: number[][], shared: boolean): { together: boolean; ends: [number, number][] } {
  const finite = columns.map((values) => values.filter(Number.isFinite));
  const reach = Math.max(2.5, ...finite.flat().map(Math.abs));
  const together = shared && reach <= FAR;
  return { together, ends: finite.map((values) => (together ? [-reach, reach] : [Math.min(0, ...values), Math.max(1, ...values)])) };
}

// The same numbers as dots on a line, an ingredient a line.
function DotsOnLines({ rows, label, shared }: { rows: number[][]; label: string; shared: boolean }) {
  const [box, wide] = useWide<HTMLElement>(320);
  const { together, ends } = scalesOf(NAMES.map((_, c) => rows.map((row) => row[c]!)), shared);
  const left = 88;
  const lines = ends.map(([low, high]) => scale(low, high, left + 10, wide - 14));
  return (
    <figure class="lines" ref={box}>
      <figcaption>{label}</figcaption>
      <svg viewBox={`0 0 ${wide} 150`} role="img" aria-label={`${label}: ${NAMES.map((n, c) => `${tt(`ingredient.${n}`)} ${rows.map((row) => cell(row[c]!)).join(", ")}`).join("; ")}`}>
        {NAMES.map((name, c) => {
          const values = rows.map((row) => row[c]!);
          const at = lines[c]!;
          return (
            <g key={name} transform={`translate(0 ${24 + 42 * c})`}>
              <text x="0" y="4">{tt(`ingredient.${name}`)}</text>
              <line x1={left} x2={wide - 4} y1="0" y2="0" class="rule" />
              {together && <line x1={at(0)} x2={at(0)} y1="-14" y2="14" class="zero" />}
              {values.map((v, r) => Number.isFinite(v) && (
                <g key={r} transform={`translate(${Math.max(left, Math.min(wide - 10, at(v)))} ${spread(values, r)})`}>
                  <circle r="8.5" class="cookie" />
                  <text y="4" text-anchor="middle" class="order">{r + 1}</text>
                </g>
              ))}
            </g>
          );
        })}
        {together && lines[0]!.ticks.map(({ value, label: text }) => <text key={value} x={lines[0]!(value)} y="146" text-anchor="middle">{text}</text>)}
      </svg>
    </figure>
  );
}

// Orders with the same amount stand beside each other, not in one place.
function spread(values: number[], place: number): number {
  const same = values.map((v, i) => (v === values[place] ? i : -1)).filter((i) => i >= 0);
  return same.length < 2 ? 0 : (same.indexOf(place) - (same.length - 1) / 2) * 10;
}

function Touch() {
  const [table, setTable] = useState(START);
  const [eps, setEps] = useState(0.00001);
  const [gamma, setGamma] = useState(ONES);
  const [beta, setBeta] = useState(ZEROS);
  const [step, setStep] = useState(0);
  const result = evenOut(table, eps, gamma, beta);
  const same = (values: number[]) => (values.every((v) => v === values[0]) ? values[0]! : null);
  const turn = (set: (values: number[]) => void) => (v: number) => set(NAMES.map(() => v));
  const change = (r: number, c: number, value: number) => setTable(table.map((row, i) => (i === r ? row.map((old, j) => (j === c ? value : old)) : row)));
  const broken = result.out.flat().some((v) => !Number.isFinite(v));
  return (
    <div class="machine">
      <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
        <table class="editable">
          <caption>{t("machine.table")}</caption>
          <thead><tr><th scope="col">{t("machine.batch")}</th>{NAMES.map((n) => <th scope="col" key={n}>{tt(`ingredient.${n}`)}</th>)}</tr></thead>
          <tbody>
            {table.map((row, r) => (
              <tr key={r}>
                <th scope="row">{r + 1}</th>
                {row.map((value, c) => (
                  <td key={c}>
                    <Amount value={value} label={`${tt(`ingredient.${NAMES[c]}`)} ${r + 1}`} change={(next) => change(r, c, next)} />
                  </td>
                ))}
              </tr>
            ))}
            {step >= 0 && <tr class="result"><th scope="row">{t("machine.average")}</th>{result.mean.map((v, c) => <td key={c}>{cell(v)}</td>)}</tr>}
            {step >= 1 && <tr class="result"><th scope="row">{t("machine.variance")}</th>{result.variance.map((v, c) => <td key={c}>{cell(v)}</td>)}</tr>}
            {step >= 1 && <tr class="result"><th scope="row">{t("machine.spread")}</th>{result.spread.map((v, c) => <td key={c}>{cell(v)}</td>)}</tr>}
            {step >= 1 && <tr class="result"><th scope="row">{t("machine.divisor")}</th>{result.divisor.map((v, c) => <td key={c}>{cell(v)}</td>)}</tr>}
          </tbody>
        </table>
      </div>
      <div class="steps" role="group" aria-label={t("machine.steps")}>
        {STEPS.map((name, i) => (
          <button type="button" key={name} aria-pressed={step === i} onClick={() => setStep(i)}>{`${i + 1}. ${tt(`machine.step.${name}`)}`}</button>
        ))}
      </div>
      <p aria-live="polite">{tt(`machine.say.${STEPS[step]}`)}</p>
      <div class="knobs">
        <Choose label={t("machine.eps")} value={eps} change={setEps} options={EPS.map((value) => ({ value, label: value === 0 ? "0" : written(value) }))} />
        {step >= 3 && <Slider label={t("machine.gamma")} value={same(gamma) ?? 1} shown={same(gamma) === null ? t("machine.each") : written(same(gamma)!)} min={-2} max={3} step={0.1} change={turn(setGamma)} />}
        {step >= 3 && <Slider label={t("machine.beta")} value={same(beta) ?? 0} shown={same(beta) === null ? t("machine.each") : written(same(beta)!)} min={-3} max={3} step={0.1} change={turn(setBeta)} />}
      </div>
      {broken && <p class="failed" role="status">{t("machine.broken")}</p>}
      <div class="pair">
        <DotsOnLines rows={table} label={t("machine.before")} shared={false} />
        {step >= 2 && <DotsOnLines rows={step >= 3 ? result.out : result.standard} label={t(step >= 3 ? "machine.out" : "machine.standard")} shared />}
      </div>
      {step >= 2 && (
        <div class="pair">
          <Grid rows={result.standard} label={t("machine.standard")} />
          {step >= 3 && <Grid rows={result.out} label={t("machine.out")} />}
        </div>
      )}
      <div class="controls">
        {step >= 3 && <button type="button" onClick={() => { setGamma(result.divisor); setBeta(result.mean); }}>{t("machine.undo")}</button>}
        <button type="button" onClick={() => { setTable(START); setEps(0.00001); setGamma(ONES); setBeta(ZEROS); }}>{t("machine.reset")}</button>
      </div>
    </div>
  );
}

export const chapter: ChapterShown = {
  id: "machine",
  minutes: 7,
  experiments: [],
  check: { options: ["zero", "same", "error"], right: "zero" },
  Scene,
  Touch,
};

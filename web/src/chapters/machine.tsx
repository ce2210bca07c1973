// Chapter 2: the evening machine, by hand on a small table. Nothing is trained here.

import { useState } from "preact/hooks";

import { shown } from "../charts/scale";
import { evening } from "../machine";
import { Choose, Slider } from "../parts/knobs";
import { t, tt } from "../words";
import type { ChapterShown } from ".";

const NAMES = ["sugar_cups", "flour_g", "oven_c"];
const START = [
  [2, 400, 180],
  [10, 620, 180],
  [6, 900, 180],
  [4, 480, 180],
];
const EPS = [0, 0.00001, 0.001, 0.1, 1];
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
      {[54, 58, 50, 56].map((h, i) => <rect key={i} x={450 + i * 40} y={132 - h} width="28" height={h} rx="4" class="sack flour" />)}
    </svg>
  );
}

function cell(value: number): string {
  if (Number.isNaN(value)) return t("machine.nan");
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return shown(value);
}

function Grid({ rows, label, odd }: { rows: number[][]; label: string; odd?: (v: number) => boolean }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table>
        <caption>{label}</caption>
        <thead><tr><th scope="col">{t("machine.batch")}</th>{NAMES.map((n) => <th scope="col" key={n}>{tt(`ingredient.${n}`)}</th>)}</tr></thead>
        <tbody>
          {rows.map((row, r) => (
            <tr key={r}>
              <th scope="row">{r + 1}</th>
              {row.map((value, c) => <td key={c} class={odd?.(value) ? "odd" : ""}>{cell(value)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Touch() {
  const [table, setTable] = useState(START);
  const [eps, setEps] = useState(0.00001);
  const [gamma, setGamma] = useState(1);
  const [beta, setBeta] = useState(0);
  const [step, setStep] = useState(0);
  const result = evening(table, eps, NAMES.map(() => gamma), NAMES.map(() => beta));
  const change = (r: number, c: number, text: string) => {
    const value = Number(text.replace(",", "."));
    if (text.trim() === "" || !Number.isFinite(value)) return;
    setTable(table.map((row, i) => (i === r ? row.map((old, j) => (j === c ? value : old)) : row)));
  };
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
                    <input type="text" inputMode="decimal" value={value} aria-label={`${tt(`ingredient.${NAMES[c]}`)} ${r + 1}`} onInput={(event) => change(r, c, event.currentTarget.value)} />
                  </td>
                ))}
              </tr>
            ))}
            {step >= 0 && <tr class="result"><th scope="row">{t("machine.average")}</th>{result.mean.map((v, c) => <td key={c}>{cell(v)}</td>)}</tr>}
            {step >= 1 && <tr class="result"><th scope="row">{t("machine.variance")}</th>{result.variance.map((v, c) => <td key={c}>{cell(v)}</td>)}</tr>}
            {step >= 1 && <tr class="result"><th scope="row">{t("machine.spread")}</th>{result.spread.map((v, c) => <td key={c}>{cell(v)}</td>)}</tr>}
          </tbody>
        </table>
      </div>
      <div class="steps" role="group" aria-label={t("machine.steps")}>
        {STEPS.map((name, i) => (
          <button type="button" key={name} aria-pressed={step === i} onClick={() => setStep(i)}>{`${i + 1}. ${tt(`machine.step.${name}`)}`}</button>
        ))}
      </div>
      <p aria-live="polite">{tt(`machine.say.${STEPS[step]}`)}</p>
      {step >= 2 && <Grid rows={result.standard} label={t("machine.standard")} odd={(v) => !Number.isFinite(v)} />}
      <div class="knobs">
        <Choose label={t("machine.eps")} value={eps} change={setEps} options={EPS.map((value) => ({ value, label: value === 0 ? "0" : `${value}` }))} />
        {step >= 3 && <Slider label={t("machine.gamma")} value={gamma} min={-2} max={3} step={0.1} change={setGamma} />}
        {step >= 3 && <Slider label={t("machine.beta")} value={beta} min={-3} max={3} step={0.1} change={setBeta} />}
      </div>
      {step >= 3 && <Grid rows={result.out} label={t("machine.out")} odd={(v) => !Number.isFinite(v)} />}
      {broken && <p class="failed" role="status">{t("machine.broken")}</p>}
      <button type="button" onClick={() => { setTable(START); setEps(0.00001); setGamma(1); setBeta(0); }}>{t("machine.reset")}</button>
    </div>
  );
}

export const chapter: ChapterShown = {
  id: "machine",
  minutes: 7,
  predict: [],
  check: { options: ["zero", "same", "error"], right: "zero" },
  Scene,
  Touch,
};

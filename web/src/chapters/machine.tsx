// Chapter 2: the even-out machine, by hand on a small table. Nothing is trained here.

import { useState } from "preact/hooks";

import { digits } from "../charts/scale";
import { evenOut } from "../machine";
import { useKnob } from "../memory";
import { Choose, Slider } from "../parts/knobs";
import { t, tt, written } from "../words";
import type { ChapterShown } from "./chapter";
import { Lines, orderOf, shownAt } from "./machine-scene";

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
const STEPS = ["orders", "average", "spread", "knobs"] as const;

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

// A table that was kept may be another version's.
const isTable = (kept: number[][]) => kept.length === START.length && kept.every((row) => row?.length === NAMES.length && row.every(Number.isFinite));

function Touch() {
  const [table, setTable] = useKnob("machine.table", START, isTable);
  const [eps, setEps] = useState(0.00001);
  const [gamma, setGamma] = useState(ONES);
  const [beta, setBeta] = useState(ZEROS);
  const [step, setStep] = useState(0);
  const [last, setLast] = useState(0); // the ingredient that was moved
  const result = evenOut(table, eps, gamma, beta);
  const names = NAMES.map((name) => tt(`ingredient.${name}`));
  const same = (values: number[]) => (values.every((v) => v === values[0]) ? values[0]! : null);
  const turn = (set: (values: number[]) => void) => (v: number) => set(NAMES.map(() => v));
  const change = (r: number, c: number, value: number) => {
    setLast(c);
    setTable(table.map((row, i) => (i === r ? row.map((old, j) => (j === c ? value : old)) : row)));
  };
  const broken = step >= 2 && result.out.flat().some((v) => !Number.isFinite(v));
  return (
    <div class="machine">
      <div class="steps" role="group" aria-label={t("machine.steps")}>
        {STEPS.map((name, i) => (
          <button type="button" key={name} aria-pressed={step === i} onClick={() => setStep(i)}>{`${i + 1}. ${tt(`machine.step.${name}`)}`}</button>
        ))}
      </div>
      <p aria-live="polite">{tt(`machine.say.${STEPS[step]}`, { name: names[last]!, order: orderOf(table.map((row) => row[last]!)) })}</p>
      <Lines names={names} table={table} shown={shownAt(step, table, result)} step={step} change={change} />
      <div class="knobs">
        {step >= 2 && <Choose label={t("machine.eps")} value={eps} change={setEps} options={EPS.map((value) => ({ value, label: value === 0 ? "0" : written(value) }))} />}
        {step >= 3 && <Slider label={t("machine.gamma")} value={same(gamma) ?? 1} shown={same(gamma) === null ? t("machine.each") : written(same(gamma)!)} min={-2} max={3} step={0.1} change={turn(setGamma)} />}
        {step >= 3 && <Slider label={t("machine.beta")} value={same(beta) ?? 0} shown={same(beta) === null ? t("machine.each") : written(same(beta)!)} min={-3} max={3} step={0.1} change={turn(setBeta)} />}
      </div>
      {broken && <p class="failed" role="status">{t("machine.broken")}</p>}
      <div class="controls">
        {step >= 3 && <button type="button" onClick={() => { setGamma(result.divisor); setBeta(result.mean); }}>{t("machine.undo")}</button>}
        <button type="button" onClick={() => { setTable(START); setEps(0.00001); setGamma(ONES); setBeta(ZEROS); setStep(0); }}>{t("machine.reset")}</button>
      </div>
      <details>
        <summary>{t("chart.numbers")}</summary>
        <p>{t("machine.how")}</p>
        <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
          <table class="editable">
            <caption>{t("machine.table")}</caption>
            <thead><tr><th scope="col">{t("machine.batch")}</th>{names.map((n) => <th scope="col" key={n}>{n}</th>)}</tr></thead>
            <tbody>
              {table.map((row, r) => (
                <tr key={r}>
                  <th scope="row">{r + 1}</th>
                  {row.map((value, c) => (
                    <td key={c}>
                      <Amount value={value} label={`${names[c]} ${r + 1}`} change={(next) => change(r, c, next)} />
                    </td>
                  ))}
                </tr>
              ))}
              {(["mean", "variance", "spread", "divisor"] as const).map((name) => (
                <tr class="result" key={name}><th scope="row">{t(`machine.${name}`)}</th>{result[name].map((v, c) => <td key={c}>{cell(v)}</td>)}</tr>
              ))}
            </tbody>
          </table>
        </div>
        <div class="pair">
          <Grid rows={result.standard} label={t("machine.standard")} />
          {step >= 3 && <Grid rows={result.out} label={t("machine.out")} />}
        </div>
      </details>
    </div>
  );
}

export const chapter: ChapterShown = {
  id: "machine",
  minutes: 7,
  experiments: [],
  check: { options: ["zero", "same", "error"], right: "zero" },
  Touch,
};

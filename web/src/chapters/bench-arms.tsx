// The workbench's arms: a row for each, the knobs of the one that is being dialled, and how all ended.

import { useRef, useState } from "preact/hooks";

import { digits, shown } from "../charts/scale";
import type { Run } from "../live/run";
import { useRun } from "../live/use";
import type { Arm, BenchSettings } from "../made/messages";
import { Behind } from "../parts/experiment";
import { Choose, Slider } from "../parts/knobs";
import { t, tt } from "../words";
import { armsOf, idOf, MOST_ARMS, namesOf, OPTIONS } from "./bench-state";

function Select<T extends string>({ label, value, options, change }: { label: string; value: T; options: T[]; change: (v: T) => void }) {
  return <Choose label={label} value={value} change={change} options={options.map((v) => ({ value: v, label: v }))} />;
}

function ArmKnobs({ arm, change }: { arm: Arm; change: (arm: Arm) => void }) {
  const set = <K extends keyof Arm>(key: K, value: Arm[K]) => change({ ...arm, [key]: value });
  const rate = Math.round(4 * Math.log10(arm.learning_rate)) / 4;
  return (
    <div class="knobs">
      <Choose label={t("knob.norm")} value={arm.norm} change={(v) => set("norm", v)} options={OPTIONS.norm.map((value) => ({ value, label: tt(`arm.${value}`) }))} />
      <Choose label={t("knob.placement")} value={arm.placement} change={(v) => set("placement", v)} options={OPTIONS.placement.map((value) => ({ value, label: tt(`placement.${value}`) }))} />
      <Slider label={t("knob.rate")} value={rate} min={-4} max={2} step={0.25} shown={digits(arm.learning_rate, 3)} change={(v) => set("learning_rate", +(10 ** v).toPrecision(3))} />
      <Slider label={t("knob.depth")} value={arm.depth} min={1} max={50} step={1} change={(v) => set("depth", v)} />
      <Slider label={t("knob.width")} value={arm.width} min={8} max={128} step={8} change={(v) => set("width", v)} />
      <Slider label={t("knob.batch")} value={Math.log2(arm.batch_size)} min={1} max={8} step={1} shown={`${arm.batch_size}`} change={(v) => set("batch_size", 2 ** v)} />
      <details>
        <summary>{t("bench.more")}</summary>
        <div class="knobs">
          <Select label={t("knob.activation")} value={arm.activation} options={OPTIONS.activation} change={(v) => set("activation", v)} />
          <Select label={t("knob.init")} value={arm.init} options={OPTIONS.init} change={(v) => set("init", v)} />
          <Select label={t("knob.optimizer")} value={arm.optimizer} options={OPTIONS.optimizer} change={(v) => set("optimizer", v)} />
          <Slider label={t("knob.residual")} value={arm.residual} min={0} max={4} step={1} change={(v) => set("residual", v)} />
          <Slider label={t("knob.dropout")} value={arm.dropout} min={0} max={0.8} step={0.1} change={(v) => set("dropout", v)} />
          <Choose label="ε" value={arm.eps} change={(v) => set("eps", v)} options={[0, 1e-8, 1e-5, 1e-3, 0.1, 1].map((value) => ({ value, label: `${value}` }))} />
          <Slider label={t("knob.momentum")} value={arm.momentum} min={0} max={1} step={0.05} change={(v) => set("momentum", v)} />
          <Choose label={t("knob.decay")} value={arm.weight_decay} change={(v) => set("weight_decay", v)} options={[0, 1e-4, 1e-3, 1e-2, 0.1].map((value) => ({ value, label: `${value}` }))} />
        </div>
      </details>
    </div>
  );
}

// One row for each arm; pressed, its knobs are below.
export function Arms({ arms, change }: { arms: Arm[]; change: (arms: Arm[]) => void }) {
  const [asked, setAsked] = useState(0);
  const adding = useRef<HTMLButtonElement>(null);
  const at = Math.min(asked, arms.length - 1);
  const names = namesOf(arms);
  const add = () => {
    if (arms.length >= MOST_ARMS) return;
    change([...arms, { ...arms[at]! }]);
    setAsked(arms.length);
  };
  const remove = () => {
    change(arms.filter((_, i) => i !== at));
    setAsked(Math.max(0, at - 1));
    requestAnimationFrame(() => adding.current?.focus()); // the last one takes its button with it
  };
  return (
    <>
      <div class="arms" role="group" aria-label={t("bench.arms")}>
        {names.map((name, i) => (
          <button type="button" key={i} aria-pressed={i === at} onClick={() => setAsked(i)}>{name}</button>
        ))}
        <button type="button" ref={adding} aria-disabled={arms.length >= MOST_ARMS} onClick={add}>{t("bench.add")}</button>
      </div>
      <fieldset class="arm">
        <legend>{names[at]}</legend>
        <ArmKnobs arm={arms[at]!} change={(next) => change(arms.map((old, i) => (i === at ? next : old)))} />
        {arms.length > 1 && <button type="button" onClick={remove}>{t("bench.remove")}</button>}
      </fieldset>
    </>
  );
}

// How each run of an arm ended: the metric where it was last evaluated.
function endsOf(run: Run, arms: Arm[], place: number): { mean: number | null; diverged: number } {
  const of = armsOf(arms);
  const mine = run.trials.flatMap((trial, at) => (of(trial).includes(idOf(arms, place)) ? [at] : []));
  const diverged = mine.filter((at) => run.ended.get(at)?.how === "diverged").length;
  const last = mine.map((at) => run.curves[at]?.metric.at(-1) ?? NaN);
  const mean = last.reduce((sum, value) => sum + value, 0) / last.length;
  return { mean: Number.isFinite(mean) ? mean : null, diverged };
}

// A workbench makes no claim: it says how each arm ended, and how far above or below the first.
export function Ends({ run }: { run: Run }) {
  useRun(run);
  if (!run.result) return null;
  const { arms } = run.settings as unknown as BenchSettings;
  const { effects } = run.result.verdict;
  const live = run.curves.length > 0;
  return (
    <section class="card verdict" aria-live="polite">
      <h3 tabIndex={-1}>{t("bench.ends")}</h3>
      <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
        <table class="ends">
          <thead>
            <tr>
              <th scope="col">{t("bench.arm")}</th>
              {live && <th scope="col">{t("quantity.metric")}</th>}
              <th scope="col">{t("bench.against")}</th>
              {live && <th scope="col">{t("bench.diverged")}</th>}
            </tr>
          </thead>
          <tbody>
            {namesOf(arms).map((name, i) => {
              const effect = effects.find((one) => one.id === `ahead/${i + 1}`);
              const end = endsOf(run, arms, i);
              return (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  {live && <td>{end.mean === null ? "–" : shown(end.mean, true)}</td>}
                  <td>{!effect || effect.value === null ? "–" : t("bench.points", { value: signed(effect.value), low: signed(effect.low), high: signed(effect.high) })}</td>
                  {live && <td>{end.diverged}</td>}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <p class="quiet">{t("bench.paired")}</p>
      <Behind run={run} />
    </section>
  );
}

function signed(value: number | null): string {
  return value !== null && value > 0 ? `+${digits(value)}` : digits(value);
}

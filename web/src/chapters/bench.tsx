// The workbench: every knob of a trial, up to six arms, and what is needed to repeat it elsewhere.

import { useEffect, useRef, useState } from "preact/hooks";

import { LiveChart, type Quantity } from "../charts/live";
import { digits } from "../charts/scale";
import type { Run } from "../live/run";
import { useRun } from "../live/use";
import type { Arm, BenchSettings } from "../made/messages";
import { memory } from "../memory";
import { Behind, Controls, Shown, useExperiment } from "../parts/experiment";
import { Choose, Slider } from "../parts/knobs";
import { download, pictureOf } from "../parts/save";
import { t, tt } from "../words";
import { armsOf, csv, fromLink, idOf, MOST_ARMS, OPTIONS, python, START, toLink } from "./bench-state";

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

// A workbench makes no claim: it says how far the last arm ended above or below the first.
function Ends({ run }: { run: Run }) {
  useRun(run);
  if (!run.result) return null;
  const arms = (run.settings as unknown as BenchSettings).arms.length;
  const effect = run.result.verdict.effects.find((one) => one.id === `ahead/${arms}`);
  const points = (value: number | null) => digits(value);
  return (
    <section class="card verdict" aria-live="polite">
      <h3 tabIndex={-1}>{t("bench.ends")}</h3>
      {effect && effect.value !== null && (
        <p>{t(effect.value < 0 ? "bench.lower" : "bench.higher", { n: arms, value: points(Math.abs(effect.value)), low: points(effect.low), high: points(effect.high) })}</p>
      )}
      <Behind run={run} />
    </section>
  );
}

// What the link says; without one, the workbench as it was left.
function kept(): BenchSettings {
  return fromLink(location.hash) ?? fromLink(`?${memory.get("knobs").bench}`) ?? START;
}

export function Workbench() {
  const [bench, setBench] = useState<BenchSettings>(kept);
  const [quantity, setQuantity] = useState<Quantity>("metric");
  const [copied, setCopied] = useState("");
  const adding = useRef<HTMLButtonElement>(null);
  const experiment = useExperiment("bench", { ...bench });
  const { run } = experiment;
  const change = (next: Partial<BenchSettings>) => setBench({ ...bench, ...next });
  useEffect(() => {
    history.replaceState(null, "", toLink(bench));
    memory.put("knobs", "bench", toLink(bench).split("?")[1]);
  }, [bench]);
  // Another link followed while the workbench is open.
  useEffect(() => {
    const follow = () => {
      const linked = fromLink(location.hash);
      if (linked) setBench(linked);
    };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const nameOf = (arm: Arm, i: number) => `${i + 1}. ${tt(`arm.${arm.norm}`)}`;
  const ran = (run?.settings as BenchSettings | undefined)?.arms ?? bench.arms;
  const arms = ran.map((arm, i) => ({ id: idOf(ran, i), name: nameOf(arm, i) }));
  const copy = async (what: string, text: string) => {
    await navigator.clipboard.writeText(text);
    setCopied(what);
  };
  const remove = (i: number) => {
    change({ arms: bench.arms.filter((_, j) => j !== i) });
    requestAnimationFrame(() => adding.current?.focus());
  };
  return (
    <article class="chapter">
      <h1 tabIndex={-1}>{t("bench.title")}</h1>
      <p>{t("bench.story")}</p>
      <section class="card">
        <div class="knobs">
          <Choose label={t("knob.data")} value={bench.data} change={(data) => change({ data })} options={OPTIONS.data.map((value) => ({ value, label: tt(`data.${value}`) }))} />
          <Slider label={t("knob.steps")} value={bench.steps} min={100} max={3000} step={100} change={(steps) => change({ steps })} />
          <Slider label={t("knob.seeds")} value={bench.seeds} min={1} max={10} step={1} change={(seeds) => change({ seeds })} />
        </div>
        {bench.arms.map((arm, i) => (
          <fieldset class="arm" key={i}>
            <legend>{nameOf(arm, i)}</legend>
            <ArmKnobs arm={arm} change={(next) => change({ arms: bench.arms.map((old, j) => (j === i ? next : old)) })} />
            {bench.arms.length > 1 && (
              <button type="button" onClick={() => remove(i)}>{t("bench.remove")}</button>
            )}
          </fieldset>
        ))}
        <button type="button" ref={adding} aria-disabled={bench.arms.length >= MOST_ARMS} onClick={() => { if (bench.arms.length < MOST_ARMS) change({ arms: [...bench.arms, { ...bench.arms[bench.arms.length - 1]! }] }); }}>{t("bench.add")}</button>
        <Controls experiment={experiment} label={t("bench.start")} started={({ seed }) => change({ seed: seed as number })} />
        <Shown experiment={experiment}>
        <div class="knobs">
          <Choose label={t("bench.show")} value={quantity} change={(v) => setQuantity(v)} options={(["metric", "testLoss", "trainLoss"] as Quantity[]).map((value) => ({ value, label: tt(`quantity.${value}`) }))} />
        </div>
        <LiveChart run={run} quantity={quantity} percent={quantity === "metric"} title={tt(`quantity.${quantity}`)} label={t("chart.seeds")} most={(run?.settings as BenchSettings | undefined)?.steps ?? bench.steps} arms={arms} of={armsOf(ran)} />
        {run && !run.busy && run.curves.length > 0 && (
          <div class="controls">
            <button type="button" onClick={() => download("evenbatch.csv", "text/csv", csv(run))}>CSV</button>
            <button type="button" onClick={() => void pictureOf(document.querySelector(".live canvas"), arms.map((arm) => arm.name))}>PNG</button>
            <button type="button" onClick={() => void copy("link", location.href)}>{t("bench.link")}</button>
            <button type="button" onClick={() => void copy("python", python(bench))}>{t("bench.copy")}</button>
            <span role="status" class="quiet">{copied && t("bench.copied")}</span>
          </div>
        )}
        {run && <Ends run={run} />}
        </Shown>
        <details>
          <summary>{t("bench.python")}</summary>
          <pre><code>{python(bench)}</code></pre>
        </details>
      </section>
    </article>
  );
}

// The workbench: every knob of a trial, up to six arms, and what is needed to repeat it elsewhere.

import { useEffect, useMemo, useState } from "preact/hooks";

import { armCurves, LiveChart, type Quantity } from "../charts/live";
import { digits } from "../charts/scale";
import type { Run } from "../live/live";
import { useRun } from "../live/use";
import { Behind, busy, Controls, useExperiment } from "../parts/experiment";
import { Choose, Slider } from "../parts/knobs";
import { download, pictureOf } from "../parts/save";
import { t, tt } from "../words";

export interface Arm {
  norm: string;
  placement: string;
  depth: number;
  width: number;
  activation: string;
  init: string;
  residual: number;
  dropout: number;
  eps: number;
  momentum: number;
  optimizer: string;
  learning_rate: number;
  batch_size: number;
  weight_decay: number;
}

export interface Bench {
  data: string;
  arms: Arm[];
  steps: number;
  seeds: number;
  seed: number;
}

const PLAIN: Arm = { norm: "none", placement: "before", depth: 3, width: 64, activation: "relu", init: "torch", residual: 0, dropout: 0, eps: 1e-5, momentum: 0.1, optimizer: "sgd", learning_rate: 0.1, batch_size: 32, weight_decay: 0 };
export const START: Bench = { data: "digits", arms: [PLAIN, { ...PLAIN, norm: "batch" }], steps: 500, seeds: 5, seed: 0 };
const MOST_ARMS = 6;

// The state as a link and back; only what differs from the start is written.
export function toLink(bench: Bench): string {
  const arms = bench.arms.map((arm) => Object.fromEntries(Object.entries(arm).filter(([k, v]) => PLAIN[k as keyof Arm] !== v)));
  return `#/bench?${new URLSearchParams({ state: JSON.stringify({ ...bench, arms }) })}`;
}

export function fromLink(hash: string): Bench {
  try {
    const state = JSON.parse(new URLSearchParams(hash.split("?")[1] ?? "").get("state") ?? "null");
    if (!state || !Array.isArray(state.arms) || !state.arms.length) return START;
    const arms = state.arms.slice(0, MOST_ARMS).map((arm: object) => ({ ...PLAIN, ...arm }) as Arm);
    return { ...START, ...state, arms };
  } catch {
    return START;
  }
}

// The Python lines that train the very same trials.
export function python(bench: Bench): string {
  const network = (arm: Arm) => {
    const width = Array(arm.depth).fill(arm.width);
    const hidden = arm.depth > 4 ? `(${arm.width},) * ${arm.depth}` : `(${width.join(", ")}${arm.depth === 1 ? "," : ""})`;
    return [
      `hidden=${hidden}`,
      ...(["activation", "norm", "placement", "init"] as const).map((k) => `${k}="${arm[k]}"`),
      ...(["residual", "dropout", "eps", "momentum"] as const).map((k) => `${k}=${arm[k]}`),
    ].join(", ");
  };
  const trial = (arm: Arm) => `optimizer="${arm.optimizer}", learning_rate=${arm.learning_rate}, batch_size=${arm.batch_size}, weight_decay=${arm.weight_decay}`;
  return [
    "from evenbatch import Network, Trial, train",
    "from evenbatch.data import load",
    "",
    `data = load("${bench.data}")`,
    "size = dict(inputs=data.n_features, outputs=data.n_outputs)",
    "arms = [",
    ...bench.arms.map((arm) => `    (Network(**size, ${network(arm)}), dict(${trial(arm)})),`),
    "]",
    "trials = [",
    `    Trial(network, "${bench.data}", steps=${bench.steps}, seed=seed, evaluate_every=${Math.max(1, Math.floor(bench.steps / 50))}, **settings)`,
    "    for network, settings in arms",
    `    for seed in range(${bench.seed}, ${bench.seed + bench.seeds})`,
    "]",
    "for trial, curve in zip(trials, train(trials)):",
    "    print(trial.network.norm, trial.seed, curve.metric[-1])",
    "",
  ].join("\n");
}

export function csv(run: Run, armOf: (place: number) => number): string {
  const lines = ["arm,seed,key,step,test_metric,test_loss,train_loss"];
  run.trials.forEach((trial, place) => {
    const curve = run.curves[place];
    curve?.step.forEach((step, i) => {
      const cells = [curve.metric[i]!, curve.testLoss[i]!, curve.trainLoss[i]!].map((v) => (Number.isFinite(v) ? `${v}` : ""));
      lines.push([armOf(place) + 1, trial.seed, trial.key, step, ...cells].join(","));
    });
  });
  return `${lines.join("\n")}\n`;
}

function Select({ label, value, options, change }: { label: string; value: string; options: string[]; change: (v: string) => void }) {
  return <Choose label={label} value={value} change={change} options={options.map((v) => ({ value: v, label: v }))} />;
}

function ArmKnobs({ arm, change }: { arm: Arm; change: (arm: Arm) => void }) {
  const set = <K extends keyof Arm>(key: K, value: Arm[K]) => change({ ...arm, [key]: value });
  const rate = Math.round(4 * Math.log10(arm.learning_rate)) / 4;
  return (
    <div class="knobs">
      <Choose label={t("knob.norm")} value={arm.norm} change={(v) => set("norm", v)} options={["none", "batch", "layer", "rms", "group"].map((value) => ({ value, label: tt(`arm.${value}`) }))} />
      <Choose label={t("knob.placement")} value={arm.placement} change={(v) => set("placement", v)} options={["before", "after", "input"].map((value) => ({ value, label: tt(`placement.${value}`) }))} />
      <Slider label={t("knob.rate")} value={rate} min={-4} max={2} step={0.25} shown={digits(arm.learning_rate, 3)} change={(v) => set("learning_rate", +(10 ** v).toPrecision(3))} />
      <Slider label={t("knob.depth")} value={arm.depth} min={1} max={50} step={1} change={(v) => set("depth", v)} />
      <Slider label={t("knob.width")} value={arm.width} min={8} max={128} step={8} change={(v) => set("width", v)} />
      <Slider label={t("knob.batch")} value={Math.log2(arm.batch_size)} min={1} max={8} step={1} shown={`${arm.batch_size}`} change={(v) => set("batch_size", 2 ** v)} />
      <details>
        <summary>{t("bench.more")}</summary>
        <div class="knobs">
          <Select label={t("knob.activation")} value={arm.activation} options={["relu", "leaky_relu", "tanh", "sigmoid", "gelu"]} change={(v) => set("activation", v)} />
          <Select label={t("knob.init")} value={arm.init} options={["torch", "he", "xavier"]} change={(v) => set("init", v)} />
          <Select label={t("knob.optimizer")} value={arm.optimizer} options={["sgd", "momentum", "adam", "adamw"]} change={(v) => set("optimizer", v)} />
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
  const effect = run.verdict?.effects[0];
  if (!run.verdict || !effect) return null;
  const arms = (run.settings as Bench).arms.length;
  const points = (value: number | null) => digits(value === null ? null : 100 * value);
  return (
    <section class="card verdict" aria-live="polite">
      <h3>{t("bench.ends")}</h3>
      {arms > 1 && effect.value !== null && (
        <p>{t(effect.value < 0 ? "bench.lower" : "bench.higher", { n: arms, value: points(Math.abs(effect.value)), low: points(effect.low), high: points(effect.high) })}</p>
      )}
      <Behind run={run} />
    </section>
  );
}

export function Workbench() {
  const [bench, setBench] = useState<Bench>(() => fromLink(location.hash));
  const [quantity, setQuantity] = useState<Quantity>("metric");
  const [copied, setCopied] = useState("");
  const experiment = useExperiment("bench");
  const { run } = experiment;
  const change = (next: Partial<Bench>) => setBench({ ...bench, ...next });
  const names = useMemo(() => bench.arms.map((arm, i) => `${i + 1}. ${tt(`arm.${arm.norm}`)}`), [bench.arms]);
  useEffect(() => history.replaceState(null, "", toLink(bench)), [bench]);
  // Trials come seed by seed, arm by arm; arms that are the same are trained once.
  const ran = (run?.settings as Bench | undefined)?.arms ?? bench.arms;
  const signed = ran.map((arm) => JSON.stringify(arm));
  const firsts = [...new Set(signed)].map((one) => signed.indexOf(one));
  const armOf = (place: number) => firsts[place % firsts.length]!;
  const copy = async (what: string, text: string) => {
    await navigator.clipboard.writeText(text);
    setCopied(what);
  };
  const place = new Map(run?.trials.map((trial, i) => [trial.key, i]) ?? []);
  return (
    <article class="chapter">
      <h1 tabIndex={-1}>{t("bench.title")}</h1>
      <p>{t("bench.story")}</p>
      <section class="card">
        <div class="knobs">
          <Choose label={t("knob.data")} value={bench.data} change={(data) => change({ data })} options={["digits", "cookies", "mnist1d"].map((value) => ({ value, label: tt(`data.${value}`) }))} />
          <Slider label={t("knob.steps")} value={bench.steps} min={100} max={3000} step={100} change={(steps) => change({ steps })} />
          <Slider label={t("knob.seeds")} value={bench.seeds} min={1} max={10} step={1} change={(seeds) => change({ seeds })} />
        </div>
        {bench.arms.map((arm, i) => (
          <fieldset class="arm" key={i}>
            <legend>{names[i]}</legend>
            <ArmKnobs arm={arm} change={(next) => change({ arms: bench.arms.map((old, j) => (j === i ? next : old)) })} />
            {bench.arms.length > 1 && (
              <button type="button" onClick={() => change({ arms: bench.arms.filter((_, j) => j !== i) })}>{t("bench.remove")}</button>
            )}
          </fieldset>
        ))}
        {bench.arms.length < MOST_ARMS && (
          <button type="button" onClick={() => change({ arms: [...bench.arms, { ...bench.arms[bench.arms.length - 1]! }] })}>{t("bench.add")}</button>
        )}
        <Controls experiment={experiment} settings={bench} label={t("bench.start")} />
        <div class="knobs">
          <Choose label={t("bench.show")} value={quantity} change={(v) => setQuantity(v)} options={(["metric", "testLoss", "trainLoss"] as Quantity[]).map((value) => ({ value, label: tt(`quantity.${value}`) }))} />
        </div>
        <LiveChart run={run} quantity={quantity} percent={quantity === "metric"} title={tt(`quantity.${quantity}`)} label={t("chart.seeds")} most={bench.steps} arms={names} name={(trial) => names[armOf(place.get(trial.key) ?? 0)] ?? null} />
        {run && !busy(run) && (
          <div class="controls">
            <button type="button" onClick={() => download("evenbatch.csv", "text/csv", csv(run, armOf))}>CSV</button>
            <button type="button" onClick={() => void pictureOf(document.querySelector(".live canvas"), armCurves(run, quantity, (trial) => names[armOf(place.get(trial.key) ?? 0)] ?? null).map((arm) => arm.name))}>PNG</button>
            <button type="button" onClick={() => void copy("link", location.href)}>{t("bench.link")}</button>
            <button type="button" onClick={() => void copy("python", python(bench))}>{t("bench.copy")}</button>
            <span role="status" class="quiet">{copied && t("bench.copied")}</span>
          </div>
        )}
        {run && <Ends run={run} />}
        <details>
          <summary>{t("bench.python")}</summary>
          <pre><code>{python(bench)}</code></pre>
        </details>
      </section>
    </article>
  );
}

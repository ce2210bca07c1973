// The state of the workbench: as a link and back, as Python lines, and its curves as a table.

import type { Run } from "../live/run";
import type { Arm, BenchSettings, TrialShown } from "../made/messages";
import { t, tt, written, type Key } from "../words";

export const PLAIN: Arm = { norm: "none", placement: "before", depth: 3, width: 64, activation: "relu", init: "torch", residual: 0, dropout: 0, eps: 1e-5, momentum: 0.1, optimizer: "sgd", learning_rate: 0.1, batch_size: 32, weight_decay: 0 };
export const START: BenchSettings = { data: "digits", arms: [PLAIN, { ...PLAIN, norm: "batch" }], steps: 500, seeds: 5, seed: 0 };
export const MOST_ARMS = 6;

// What can be chosen of.
export const OPTIONS = {
  data: ["digits", "cookies", "mnist1d"] as BenchSettings["data"][],
  norm: ["none", "batch", "layer", "rms", "group"] as Arm["norm"][],
  placement: ["before", "after", "input"] as Arm["placement"][],
  activation: ["relu", "leaky_relu", "tanh", "sigmoid", "gelu"] as Arm["activation"][],
  init: ["torch", "he", "xavier"] as Arm["init"][],
  optimizer: ["sgd", "momentum", "adam", "adamw"] as Arm["optimizer"][],
};

// The state as a link and back; only what differs from the start is written.
export function toLink(bench: BenchSettings): string {
  const arms = bench.arms.map((arm) => Object.fromEntries(Object.entries(arm).filter(([k, v]) => PLAIN[k as keyof Arm] !== v)));
  return `#/bench?${new URLSearchParams({ state: JSON.stringify({ ...bench, arms }) })}`;
}

// What a link says of settings, as far as they are there and can be; the rest is as at first.
function filled<T extends object>(first: T, given: unknown): T {
  const found = Object(given) as { [key: string]: unknown };
  const fits = (key: string, like: unknown) => {
    const value = found[key];
    if (key in OPTIONS) return (OPTIONS as { [key: string]: unknown[] })[key]!.includes(value);
    return typeof value === typeof like && (typeof value !== "number" || Number.isFinite(value));
  };
  return Object.fromEntries(Object.entries(first).map(([key, value]) => [key, fits(key, value) ? found[key] : value])) as T;
}

// Whole numbers that lines of Python are made from.
function counted(arm: Arm): Arm {
  const within = (value: number) => Math.min(1000, Math.max(1, Math.round(value)));
  return { ...arm, depth: within(arm.depth), width: within(arm.width) };
}

// The state that a link carries; null if it carries none that can be read.
export function fromLink(hash: string): BenchSettings | null {
  try {
    const state = JSON.parse(new URLSearchParams(hash.split("?")[1] ?? "").get("state") ?? "null");
    if (!Array.isArray(state?.arms) || !state.arms.length) return null;
    const arms = (state.arms as unknown[]).slice(0, MOST_ARMS).map((arm) => counted(filled(PLAIN, arm)));
    return { ...filled(START, state), arms };
  } catch {
    return null;
  }
}

// Ids of the arms whose curve a trial's is; an arm looks as its normalizer does everywhere.
export function armsOf(arms: Arm[]): (trial: TrialShown) => string[] {
  return (trial) => trial.places.map((place) => idOf(arms, +place.cell.arm! - 1));
}

export function idOf(arms: Arm[], place: number): string {
  return `${arms[place]?.norm ?? "none"}/${place + 1}`;
}

// Words before a knob's value; without, the value says enough.
const KNOBS: { [key in keyof Arm]?: Key } = {
  depth: "knob.depth", width: "knob.width", residual: "knob.residual", dropout: "knob.dropout",
  momentum: "knob.momentum", learning_rate: "knob.rate", batch_size: "knob.batch", weight_decay: "knob.decay",
};

// Each arm's name: its number, and of all its knobs those that differ among the arms.
export function namesOf(arms: Arm[]): string[] {
  const keys = (Object.keys(PLAIN) as (keyof Arm)[]).filter((key) => arms.some((arm) => arm[key] !== arms[0]![key]));
  const named = keys.length ? keys : (["norm"] as const);
  const word = (arm: Arm, key: keyof Arm) => {
    if (key === "norm") return tt(`arm.${arm.norm}`);
    if (key === "placement") return tt(`placement.${arm.placement}`);
    if (key === "eps") return `ε ${written(arm.eps)}`;
    const name = KNOBS[key];
    return name ? `${t(name)} ${written(arm[key] as number)}` : `${arm[key]}`;
  };
  return arms.map((arm, i) => `${i + 1}. ${named.map((key) => word(arm, key)).join(", ")}`);
}

// The Python lines that train the very same trials.
export function python(bench: BenchSettings): string {
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

// Every line has the settings of its arm, so that a file says by itself what it holds.
export function csv(run: Run): string {
  const { arms, data } = run.settings as unknown as BenchSettings;
  const knobs = Object.keys(PLAIN) as (keyof Arm)[];
  const lines = [["arm,seed,key,step,test_metric,test_loss,train_loss,data", ...knobs].join(",")];
  run.trials.forEach((trial, at) => {
    const curve = run.curves[at];
    for (const place of trial.places) {
      curve?.step.forEach((step, i) => {
        const cells = [curve.metric[i]!, curve.testLoss[i]!, curve.trainLoss[i]!].map((v) => (Number.isFinite(v) ? `${v}` : ""));
        const arm = arms[+place.cell.arm! - 1]!;
        lines.push([place.cell.arm, trial.seed, trial.key, step, ...cells, data, ...knobs.map((key) => arm[key])].join(","));
      });
    }
  });
  return lines.join("\n") + "\n";
}

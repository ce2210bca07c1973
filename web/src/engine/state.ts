// Everything one trial owns while it trains, laid out as Python's `engine/state.py` lays it.

import { Counter, EVALUATION_ROWS, Field, Hyper, LANDSCAPE_STEPS, Mode, OPTIMIZERS, Plan, Point, Probe, ProbeField, Status, Sum } from "../made/layout";
import { type Curve, type Ended, type Landscape, PROBE_FIELDS, type Probes } from "./curve";
import { type Dataset, nOutputs } from "./dataset";
import { type Feed, type RealKind, feedOf } from "./feed";
import { type Reals, initialParameters, initialRunning, padLogits } from "./initialize";
import type { Kernels, Loaded } from "./kernels";
import { type Tape, compileTape } from "./tape";
import { type Trial, evaluationSteps, probeSteps, surveySteps } from "./trial";

// One module for trials of each precision; that of float32 draws the weights of all.
export interface Modules<T> {
  float32: T;
  float64?: T;
}

const width = (names: object) => Object.keys(names).length;
const whole = (values: Iterable<number>) => BigInt64Array.from(Array.from(values, BigInt));

// Throw unless the trial's network and batch fit the data.
export function checkFit(trial: Trial, data: Dataset): void {
  const { network: net, batch_size } = trial;
  for (const [name, found, wanted] of [
    ["inputs", net.inputs, data.features.length],
    ["time_steps", net.time_steps, data.time_steps],
    ["outputs", net.outputs, nOutputs(data)],
  ] as const) {
    if (found !== wanted) throw new Error(`the network has ${name}=${found}, but data set ${data.name} needs ${wanted}`);
  }
  if (batch_size > data.n_train) throw new Error(`batch_size is ${batch_size}, but data set ${data.name} has only ${data.n_train} training rows`);
}

// Rows evaluated at a time. With statistics "batch" the result depends on it, else not.
function evaluationRows(trial: Trial, data: Dataset): number {
  const { statistics, batch_size, evaluation_batch, evaluate_train } = trial;
  if (statistics !== "batch") return Math.max(batch_size, Math.min(EVALUATION_ROWS, data.n_test));
  return Math.min(evaluation_batch || batch_size, Math.max(data.n_test, evaluate_train ? data.n_train : 0));
}

function planOf(trial: Trial, data: Dataset, tape: Tape, feed: Feed, exact: boolean): BigInt64Array {
  const set: { [name in Exclude<keyof typeof Plan, "INJECTED" | "CLOCK" | "CLOCK_ID">]: number | boolean } = {
    ROWS: evaluationRows(trial, data), BATCH_SIZE: trial.batch_size, STEPS: trial.steps, OPTIMIZER: OPTIMIZERS.indexOf(trial.optimizer),
    COSINE: trial.schedule === "cosine", WARMUP: trial.warmup, CLASSIFY: data.task === "classification", N_TRAIN: data.n_train,
    N_TEST: data.n_test, X_STRIDE: feed.xStride, Y_STRIDE: feed.yStride, TARGETS: nOutputs(data), N_LEARNED: tape.nLearned,
    DECAY_END: tape.decayEnd, INPUT: tape.inputAt, OUTPUT: tape.outputAt, D0: tape.dAt[0], D1: tape.dAt[1], STASH: tape.stashAt,
    TRANSPOSE: tape.transposeAt, EVAL_TRAIN: trial.evaluate_train, EXACT: exact, SEED_LOW: trial.seed % 2 ** 32,
    SEED_HIGH: Math.floor(trial.seed / 2 ** 32), N_OPS: tape.ops.length, EVAL_MODE: trial.statistics === "batch" ? Mode.OWN : Mode.EVALUATE,
  };
  const plan = new BigInt64Array(width(Plan));
  for (const [name, value] of Object.entries(set)) plan[Plan[name as keyof typeof Plan]] = BigInt(value);
  return plan;
}

function hyperOf(trial: Trial, data: Dataset): Float64Array {
  const [train, test] = data.spread;
  const set: { [name in keyof typeof Hyper]: number } = {
    LEARNING_RATE: trial.learning_rate, MOMENTUM: trial.momentum, WEIGHT_DECAY: trial.weight_decay, EPS: trial.network.eps,
    STAT_MOMENTUM: trial.network.momentum, SST_TRAIN: train, SST_TEST: test,
  };
  const hyper = new Float64Array(width(Hyper));
  for (const [name, value] of Object.entries(set)) hyper[Hyper[name as keyof typeof Hyper]] = value;
  return hyper;
}

function learnerOf(trial: Trial, classify: boolean, tape: Tape, kind: RealKind, exact: boolean, drawing: Kernels) {
  const theta = new kind(tape.nParameters);
  const running = new kind(tape.nRunning);
  initialParameters(drawing, tape, trial.seed, theta);
  initialRunning(tape, running);
  if (classify) padLogits(tape, theta);
  const moments = OPTIMIZERS.indexOf(trial.optimizer);
  const some = (wanted: boolean) => new kind(wanted ? tape.nParameters : 0);
  return { theta, running, m: some(moments >= 1), v: some(moments >= 2), population: exact ? running.slice() : new kind(0) };
}

function roomOf(tape: Tape, kind: RealKind, nTrain: number, surveys: boolean) {
  const ws = new kind(tape.nWorkspace);
  for (const [offset, columns] of tape.ones) ws.fill(1, offset, offset + columns);
  const spare = (size: number) => new kind(surveys ? size : 0);
  return {
    ws, grad: new kind(tape.nParameters), order: new BigInt64Array(nTrain),
    spareTheta: spare(tape.nParameters), spareRunning: spare(tape.nRunning), spareGrad: spare(tape.nLearned),
  };
}

// All arrays of a trial before its first step, and the shapes of those that are no vectors.
function arraysOf(trial: Trial, data: Dataset, drawing: Kernels) {
  checkFit(trial, data);
  const kind = trial.dtype === "float64" ? Float64Array : Float32Array;
  const exact = trial.statistics === "population" && trial.network.norm === "batch";
  const classify = data.task === "classification";
  const rows = Math.max(trial.batch_size, evaluationRows(trial, data), exact ? data.n_train : 1);
  const tape = compileTape(trial.network, rows, trial.probe_every > 0);
  const feed = feedOf(data, kind);
  const [evaluations, probed, surveyed] = [evaluationSteps(trial), probeSteps(trial), surveySteps(trial)];
  const learner = learnerOf(trial, classify, tape, kind, exact, drawing);
  const room = roomOf(tape, kind, data.n_train, surveyed.length > 0);
  const shapes = {
    "program.ops": [tape.ops.length, width(Field)],
    "program.probes": [tape.probes.length, width(ProbeField)],
    "log.curve": [evaluations.length, width(Point)],
    "log.probed": [probed.length, tape.probes.length, width(Probe)],
    "log.here": [surveyed.length, 2],
    "log.away": [surveyed.length, 2, LANDSCAPE_STEPS.length],
  };
  const sizeOf = (name: keyof typeof shapes) => shapes[name].reduce((size, n) => size * n, 1);
  const arrays = {
    "program.ops": whole(tape.ops.flat()), "program.slopes": Float64Array.from(tape.slopes),
    "program.probes": whole(tape.probes.flat()), "program.probe_slopes": Float64Array.from(tape.probeSlopes),
    "program.plan": planOf(trial, data, tape, feed, exact), "program.hyper": hyperOf(trial, data),
    "program.evaluations": whole(evaluations), "program.probe_steps": whole(probed), "program.survey_steps": whole(surveyed),
    "program.etas": Float64Array.from(LANDSCAPE_STEPS, (eta) => trial.learning_rate * eta),
    "data.x": feed.x, "data.labels": feed.labels, "data.target": feed.target,
    "data.x_test": feed.xTest, "data.labels_test": feed.labelsTest, "data.target_test": feed.targetTest,
    "learner.theta": learner.theta as Reals, "learner.m": learner.m as Reals, "learner.v": learner.v as Reals,
    "learner.running": learner.running as Reals, "learner.population": learner.population as Reals,
    "room.ws": room.ws as Reals, "room.grad": room.grad as Reals, "room.order": room.order,
    "room.spare_theta": room.spareTheta as Reals, "room.spare_running": room.spareRunning as Reals, "room.spare_grad": room.spareGrad as Reals,
    "log.counters": new BigInt64Array(width(Counter)), "log.sums": new Float64Array(width(Sum)),
    "log.curve": new Float64Array(sizeOf("log.curve")).fill(NaN), "log.probed": new Float32Array(sizeOf("log.probed")).fill(NaN),
    "log.here": new Float64Array(sizeOf("log.here")).fill(NaN), "log.away": new Float64Array(sizeOf("log.away")).fill(NaN),
  };
  return { tape, arrays, shapes };
}

export type Arrays = ReturnType<typeof arraysOf>["arrays"];

// One trial in training. It has the memory of its kernels to itself: of two states on the same
// kernels the one made last can be trained.
export class TrialState {
  readonly tape: Tape;
  private readonly loaded: Loaded<Arrays>;
  private readonly steps: { evaluations: number[]; probes: number[]; surveys: number[] };

  constructor(
    readonly trial: Trial,
    data: Dataset,
    kernels: Modules<Kernels>,
    private readonly now: () => number = () => performance.now(),
  ) {
    const own = kernels[trial.dtype];
    if (!own) throw new Error(`there are no kernels for dtype ${trial.dtype}`);
    const { tape, arrays, shapes } = arraysOf(trial, data, kernels.float32);
    this.tape = tape;
    this.loaded = own.load("advance", arrays, shapes);
    this.steps = { evaluations: evaluationSteps(trial), probes: probeSteps(trial), surveys: surveySteps(trial) };
  }

  // As they are in the kernels' memory.
  get arrays(): Arrays {
    return this.loaded.arrays;
  }

  private count(which: keyof typeof Counter): number {
    return Number(this.arrays["log.counters"][Counter[which]]);
  }

  // Steps trained so far.
  get step(): number {
    return this.count("STEP");
  }

  get done(): boolean {
    return this.count("STATUS") !== Status.RUNNING;
  }

  // Train until step `until`, or to the trial's end. Evaluating is not on the clock: the module has
  // none, so it trains up to an evaluation first, which is hidden from it, and then evaluates.
  advance(until: number): void {
    const { "program.evaluations": evaluations, "log.sums": sums } = this.arrays;
    while (!this.done) {
      const place = this.count("NEXT_EVALUATION");
      const due = this.steps.evaluations[place]!;
      const stop = Math.min(until, due);
      if (this.step < stop) {
        evaluations[place] = BigInt(this.trial.steps + 1);
        const began = this.now();
        this.loaded.call({ until: stop });
        sums[Sum.SECONDS]! += (this.now() - began) / 1000;
        evaluations[place] = BigInt(due);
      }
      if (this.step === due && !this.done) this.loaded.call({ until: due });
      if (this.step >= until) return;
    }
  }

  // The curve so far, or only its points from place `since` on, without the rest.
  curve(stopped = false, since?: number): Curve {
    const points = this.arrays["log.curve"];
    const [first, end] = [since ?? 0, this.count("NEXT_EVALUATION")];
    const column = (which: number) => Float64Array.from({ length: end - first }, (_, i) => points[(first + i) * width(Point) + which]!);
    const running: Ended = stopped ? "stopped" : "running";
    const ended = this.done ? (this.count("STATUS") === Status.FINISHED ? "finished" : "diverged") : running;
    return {
      trial: this.trial, step: this.steps.evaluations.slice(first, end), seconds: column(Point.TRAIN_SECONDS),
      train_loss: column(Point.TRAIN_LOSS), test_loss: column(Point.TEST_LOSS), metric: column(Point.METRIC),
      train_eval_loss: column(Point.TRAIN_EVAL_LOSS), train_metric: column(Point.TRAIN_METRIC), ended, ended_at: this.step,
      ...(since === undefined ? { ...this.probes(), ...this.landscape() } : {}),
    };
  }

  private probes(): { probes?: Probes } {
    if (this.steps.probes.length === 0) return {};
    const step = this.steps.probes.slice(0, this.count("NEXT_PROBE"));
    const layers = this.tape.probes.length;
    const probed = this.arrays["log.probed"];
    const parts = PROBE_FIELDS.map((name, field) => {
      const values = Float32Array.from({ length: step.length * layers }, (_, i) => probed[i * width(Probe) + field]!);
      return [name, values] as const;
    });
    return { probes: { step, layers, ...(Object.fromEntries(parts) as { [field in (typeof PROBE_FIELDS)[number]]: Float32Array }) } };
  }

  private landscape(): { landscape?: Landscape } {
    if (this.steps.surveys.length === 0) return {};
    const step = this.steps.surveys.slice(0, this.count("NEXT_SURVEY"));
    const { "log.here": here, "log.away": away, "program.etas": eta } = this.arrays;
    const K = eta.length;
    const at = (which: number) => Float64Array.from(step, (_, i) => here[2 * i + which]!);
    const along = (which: number) => Float64Array.from({ length: step.length * K }, (_, i) => away[(2 * Math.floor(i / K) + which) * K + (i % K)]!);
    return { landscape: { step, eta: eta.slice(), loss_here: at(0), loss: along(0), gradient_norm: at(1), gradient_change: along(1) } };
  }
}

// Trials in, curves out: a pool of workers, each training one trial at a time.

import type { Curve } from "./curve";
import type { Dataset } from "./dataset";
import type { Shown, Watched } from "./layers";
import type { FromWorker, ToWorker } from "./session";
import { type Modules, checkFit } from "./state";
import type { Trial } from "./trial";

const TRIES = 3; // of a trial whose worker dies
const SILENCE_MS = 30_000; // a worker that says nothing for so long is dead; browsers do not say so
const LOOK_MS = 1000;
// Trials after which a worker makes place for a new one. Browsers collect what a worker leaves behind
// only at some 64 MB a worker: a tab grew by 3 MB with every run of the factory.
const MOST = 50;

export interface Watching {
  // The points since the place `first`, as they come. If a worker died they come again from 0 on.
  onPoints?(place: number, first: number, points: Curve): void;
  onCurve?(place: number, curve: Curve): void;
  onShown?(place: number, shown: Shown): void;
  watched?: ReadonlyMap<number, Watched>; // trials, by place, whose layers are shown
  signal?: AbortSignal;
}

// One call of `train`.
interface Job extends Watching {
  stopped: boolean;
  over: boolean; // nobody listens any more
}

interface Task {
  job: Job;
  place: number;
  trial: Trial;
  data: Dataset;
  tries: number;
  done(curve: Curve): void;
  failed(error: Error): void;
}

interface Hand {
  worker: Worker;
  knows: Map<string, Dataset>;
  task: Task | null;
  id: number;
  heard: number;
  trials: number; // given to it so far
}

// Workers this device has cores for, one left for the page where there are more than two: it has
// little to do while they train.
export function workers(): number {
  const cores = navigator.hardwareConcurrency || 2;
  return cores > 2 ? Math.min(4, cores - 1) : cores;
}

export class Pool {
  private readonly hands: Hand[] = [];
  private readonly queue: Task[] = [];
  private ids = 0;
  private looking: ReturnType<typeof setInterval> | null = null;
  private modules: Modules<WebAssembly.Module> | null = null;

  constructor(
    private readonly size: number,
    private readonly hire: () => Worker,
  ) {}

  // Give the workers what they train with, before the first trial.
  equip(modules: Modules<WebAssembly.Module>): void {
    this.modules = modules;
    for (const { worker } of this.hands) send(worker, { type: "modules", modules });
  }

  // Train every trial to its end and return their curves, in order. Stopped by the signal, those not
  // finished say so, and end where they are.
  async train(trials: readonly Trial[], data: { [name: string]: Dataset }, watching: Watching = {}): Promise<Curve[]> {
    const sets = trials.map((trial) => {
      const set = data[trial.data];
      if (!set) throw new Error(`there is no data set ${trial.data}`);
      checkFit(trial, set);
      return set;
    });
    const job: Job = { ...watching, stopped: false, over: false };
    const tasks = trials.map((trial, place) => {
      const task = { job, place, trial, data: sets[place]!, tries: 0 };
      return new Promise<Curve>((done, failed) => this.queue.push({ ...task, done, failed }));
    });
    const stop = (): void => this.stop(job);
    job.signal?.addEventListener("abort", stop);
    if (job.signal?.aborted) stop();
    this.assign();
    try {
      return await Promise.all(tasks);
    } finally {
      job.signal?.removeEventListener("abort", stop);
      job.over = true;
      stop(); // what is left of it, if a trial failed
    }
  }

  // Hire all workers now: it takes longer than the first points do, and than fetching the module.
  gather(): void {
    while (this.hands.length < this.size) this.hired();
  }

  // Let the workers go, whatever they are doing.
  close(): void {
    this.queue.length = 0;
    for (const hand of this.hands.splice(0)) hand.worker.terminate();
    this.watch();
  }

  private stop(job: Job): void {
    job.stopped = true;
    for (const task of this.queue.filter((one) => one.job === job)) {
      this.queue.splice(this.queue.indexOf(task), 1);
      finish(task, notBegun(task.trial));
    }
    for (const { worker, task } of this.hands) if (task?.job === job) send(worker, { type: "stop" });
  }

  private assign(): void {
    while (this.queue.length > 0) {
      const hand = this.hands.find((one) => !one.task) ?? (this.hands.length < this.size ? this.hired() : null);
      if (!hand) break;
      this.give(hand, this.queue.shift()!);
    }
    this.watch();
  }

  private hired(): Hand {
    const hand: Hand = { worker: this.hire(), knows: new Map(), task: null, id: -1, heard: 0, trials: 0 };
    hand.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.hear(hand, data);
    hand.worker.onerror = (event) => {
      event.preventDefault?.();
      this.bury(hand, event.message || "it could not start");
    };
    if (this.modules) send(hand.worker, { type: "modules", modules: this.modules });
    this.hands.push(hand);
    return hand;
  }

  private give(hand: Hand, task: Task): void {
    const { trial, data, place, job } = task;
    Object.assign(hand, { task, id: this.ids++, heard: Date.now() });
    task.tries++;
    hand.trials++;
    if (hand.knows.get(trial.data) !== data) {
      hand.knows.set(trial.data, data);
      send(hand.worker, { type: "data", name: trial.data, data });
    }
    send(hand.worker, { type: "train", order: { id: hand.id, trial, data: trial.data, watched: job.watched?.get(place) } });
  }

  private hear(hand: Hand, message: FromWorker): void {
    const { task } = hand;
    hand.heard = Date.now();
    if (!task || message.id !== hand.id) return;
    const { job, place } = task;
    if (message.type === "points" && !job.over) job.onPoints?.(place, message.first, message.points);
    if (message.type === "shown" && !job.over) job.onShown?.(place, message.shown);
    if (message.type !== "curve" && message.type !== "failed") return;
    hand.task = null;
    if (hand.trials >= MOST && this.dismiss(hand)) this.hired();
    if (message.type === "curve") finish(task, message.curve);
    else task.failed(new Error(message.why));
    this.assign();
  }

  // Let a worker go; false if it was let go before.
  private dismiss(hand: Hand): boolean {
    const place = this.hands.indexOf(hand);
    if (place < 0) return false;
    this.hands.splice(place, 1);
    hand.worker.terminate();
    return true;
  }

  // A worker is dead: another takes its trial, from the beginning.
  private bury(hand: Hand, why: string): void {
    if (!this.dismiss(hand)) return;
    const { task } = hand;
    if (task?.job.stopped) finish(task, notBegun(task.trial));
    else if (task && task.tries < TRIES) this.queue.unshift(task);
    else if (task) task.failed(new Error(`${TRIES} workers died on one trial; of the last is known: ${why}`));
    this.assign();
  }

  // Look for workers that have gone silent, while there are any at work.
  private watch(): void {
    const busy = this.hands.some((hand) => hand.task);
    if (busy === (this.looking !== null)) return;
    if (this.looking !== null) clearInterval(this.looking);
    let looked = Date.now();
    this.looking = busy ? setInterval(() => {
      const now = Date.now();
      // The page itself was asleep, and so were they.
      if (now - looked > 5 * LOOK_MS) for (const hand of this.hands) hand.heard = now;
      looked = now;
      for (const hand of this.hands.filter((one) => one.task && now - one.heard > SILENCE_MS)) this.bury(hand, "it was silent");
    }, LOOK_MS) : null;
  }
}

function send(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}

function finish(task: Task, curve: Curve): void {
  if (!task.job.over) task.job.onCurve?.(task.place, curve);
  task.done(curve);
}

// The curve of a trial that was stopped before its first point.
function notBegun(trial: Trial): Curve {
  const none = (): Float64Array => new Float64Array(0);
  return {
    trial, step: [], seconds: none(), train_loss: none(), test_loss: none(), metric: none(), train_eval_loss: none(), train_metric: none(),
    ended: "stopped", ended_at: 0,
  };
}

// Training in this browser: answers what the page asks for as the server's training process does
// (`lesson/training.py`), from the same descriptions of the same experiments.

import { type Curve, rounded } from "../engine/curve";
import type { Dataset } from "../engine/dataset";
import { hire } from "../engine/hire";
import type { Shown, Watched } from "../engine/layers";
import { loadDataset, loadModule } from "../engine/load";
import { Pool, workers } from "../engine/pool";
import type { Trial } from "../engine/trial";
import type { FromPage, Layers, Result, ToPage } from "../made/messages";
import { FRAMES, SAMPLE } from "../made/protocol";
import { type Curves, key } from "../protocol/cells";
import { families, type Settings, studyOf } from "../protocol/experiments";
import { datasetsOf } from "../protocol/recipes";
import type { Study, Timed } from "../protocol/study";

const FIRST = "cookies"; // what chapter 1 trains on
const KEPT = 1000; // curves, for a run that was stopped, and for a knob that is turned back

export interface Hears {
  read(message: ToPage): void;
  points(run: number, trial: number, first: number, points: Curve): void;
  unable(why: string): void;
}

export class Device {
  private pool: Promise<Pool> | null = null;
  private readonly sets = new Map<string, Promise<Dataset>>();
  private readonly curves = new Map<string, Curve>();
  private readonly stops = new Map<number, AbortController>(); // by what was asked
  private runs = 0;
  private turn: Promise<void> = Promise.resolve(); // one run after the other: they are timed, too

  constructor(
    private readonly hears: Hears,
    private readonly find: (name: string) => string,
  ) {}

  // Fetch and compile what any run needs.
  async begin(): Promise<void> {
    families().catch(() => undefined); // a run asks for them again, and says what is wrong
    void this.load(FIRST);
    try {
      await this.hands();
      this.hears.read({ type: "state", state: "ready" });
    } catch (error) {
      this.pool = null;
      this.hears.unable(error instanceof Error ? error.message : String(error));
    }
  }

  take(message: FromPage): void {
    if (message.type === "start") {
      const stop = new AbortController();
      this.stops.set(message.ask, stop);
      this.turn = this.turn.then(() => this.start(message.ask, message.chapter, message.settings as Settings, stop));
    }
    if (message.type === "stop") this.stops.get(message.ask)?.abort();
  }

  close(): void {
    for (const stop of this.stops.values()) stop.abort();
    void this.pool?.then((pool) => pool.close(), () => undefined);
  }

  private hands(): Promise<Pool> {
    this.pool ??= this.gathered();
    return this.pool;
  }

  // The workers start while the module is on its way.
  private async gathered(): Promise<Pool> {
    const loading = loadModule(this.find("kernels-float32.wasm"));
    const pool = new Pool(workers(), hire);
    pool.gather();
    try {
      pool.equip({ float32: await loading });
    } catch (error) {
      pool.close();
      throw error;
    }
    return pool;
  }

  private load(name: string): Promise<Dataset> {
    const found = this.sets.get(name) ?? loadDataset(this.find(`${name}.bin.gz`));
    this.sets.set(name, found);
    found.catch(() => this.sets.delete(name)); // it may be there the next time
    return found;
  }

  private async start(ask: number, chapter: string, settings: Settings, stop: AbortController): Promise<void> {
    const run = this.runs++;
    this.hears.read({ type: "joined", ask, run, settings: { seeds: 5, seed: 0, ...settings } });
    try {
      const [pool, all] = await Promise.all([this.hands(), families()]);
      const study = studyOf(all, chapter, settings);
      const carried = new Carried(run, study, pool, this.hears, this.curves, stop.signal);
      const done = await carried.out(await datasetsOf(study.experiment, (name) => this.load(name)), chapter === "factory");
      if (!done) this.hears.read({ type: "stopped", run });
    } catch (error) {
      this.hears.read({ type: "failed", run, text: error instanceof Error ? error.message : String(error) });
    } finally {
      this.stops.delete(ask);
      for (const old of [...this.curves.keys()].slice(0, Math.max(0, this.curves.size - KEPT))) this.curves.delete(old);
    }
  }
}

// One experiment under way.
class Carried {
  private readonly places = new Map<string, number>(); // of trials in the run, by their keys
  private readonly curves: Curves & Map<string, Curve> = new Map();

  constructor(
    private readonly run: number,
    private readonly study: Study,
    private readonly pool: Pool,
    private readonly hears: Hears,
    private readonly known: Map<string, Curve>,
    private readonly signal: AbortSignal,
  ) {}

  // Round after round to the verdict; false if it was stopped.
  async out(sets: Map<string, Dataset>, watching: boolean): Promise<boolean> {
    const { run, study, curves, hears } = this;
    const data = Object.fromEntries(sets);
    for (;;) {
      const round = study.trials(curves);
      if (!round.trials.length) break;
      this.name(round.trials);
      if (!(await this.train(round.trials, data, round.phase, watching))) return false;
    }
    const timing = study.timing(curves);
    if (timing.length) hears.read({ type: "progress", run, phase: "timing", done: 0, total: 0 });
    const timed: Timed[] = [];
    for (const trial of timing) {
      // One at a time: nothing of ours competes with it.
      const [curve] = await this.pool.train([trial], data, { signal: this.signal });
      if (this.signal.aborted) return false;
      timed.push({ trial, each: curve!.ended === "finished" ? curve!.seconds.at(-1)! / trial.steps : null });
    }
    const { statement, experiment } = study;
    const result = { claim: experiment.claim, statement, verdict: study.verdict(curves, timed) };
    // As it would come from a server: JSON knows no number that is none.
    hears.read({ type: "concluded", run, result: JSON.parse(JSON.stringify(result)) as Result });
    return true;
  }

  private name(trials: Trial[]): void {
    const fresh = trials.filter((trial) => !this.places.has(key(trial)));
    if (!fresh.length) return;
    const first = this.places.size;
    for (const trial of fresh) this.places.set(key(trial), this.places.size);
    const shown = this.study.shown(this.curves, fresh);
    this.hears.read({ type: "trials", run: this.run, first, trials: shown.map((trial) => ({ ...trial, key: named(trial.key) })) });
  }

  private async train(trials: Trial[], data: { [name: string]: Dataset }, phase: "tuning" | "measuring" | "timing", watching: boolean): Promise<boolean> {
    const { run, hears } = this;
    const total = trials.length;
    let done = 0;
    const progress = (): void => hears.read({ type: "progress", run, phase, done, total });
    const placeOf = (trial: Trial): number => this.places.get(key(trial))!;
    const keep = (trial: Trial, curve: Curve): void => {
      if (curve.ended === "stopped") return;
      const name = key(trial);
      this.curves.set(name, curve);
      this.known.delete(name);
      this.known.set(name, curve); // the newest are kept longest
      hears.read({ type: "ended", run, trial: placeOf(trial), how: curve.ended === "diverged" ? "diverged" : "finished", at: curve.ended_at });
      done++;
      progress();
    };
    progress();
    const watched = watching ? pictured(trials) : new Map<number, Watched>();
    const wanted: Trial[] = [];
    trials.forEach((trial, place) => {
      const curve = watched.has(place) ? undefined : this.known.get(key(trial));
      if (!curve) return void wanted.push(trial);
      hears.points(run, placeOf(trial), 0, curve);
      keep(trial, curve);
    });
    const film = new Film(watched.size, (layers) => hears.read({ type: "looked", run, layers }));
    await this.pool.train(wanted, data, {
      signal: this.signal,
      watched: new Map([...watched].map(([place, how]) => [wanted.indexOf(trials[place]!), how])),
      onPoints: (place, first, points) => hears.points(run, placeOf(wanted[place]!), first, points),
      onShown: (place, shown) => film.add(wanted[place]!.network.norm, shown),
      onCurve: (place, curve) => keep(wanted[place]!, rounded(curve)),
    });
    return !this.signal.aborted;
  }
}

// A key as short as the store's, which says that the curve is a page's: it is not the one that the
// store keeps, unless that machine fuses no product and sum. (FNV-1a, Fowler, Noll, Vo.)
function named(key: string): string {
  const [low, high] = [0x811c9dc5, 0x050c5d1f].map((start) => [...key].reduce((sum, letter) => Math.imul(sum ^ letter.codePointAt(0)!, 0x01000193), start) >>> 0);
  return `${[low, high].map((part) => part!.toString(16).padStart(8, "0")).join("")}-wasm`;
}

// The trials whose layers are shown: those of the first seed.
function pictured(trials: Trial[]): Map<number, Watched> {
  const first = Math.min(...trials.map((trial) => trial.seed));
  const pair = trials.map((trial, place) => ({ trial, place })).filter(({ trial }) => trial.seed === first);
  return new Map(pair.map(({ trial, place }) => [place, { every: Math.floor(trial.steps / FRAMES), rows: SAMPLE }]));
}

// Pictures of several networks, put together step by step.
class Film {
  private readonly parts = new Map<number, Layers["arms"]>();

  constructor(
    private readonly arms: number,
    private readonly show: (layers: Layers) => void,
  ) {}

  add(arm: string, { step, layers }: Shown): void {
    // A worker that died is replaced, and its pictures come again.
    const parts = [...(this.parts.get(step) ?? []).filter((part) => part.arm !== arm), { arm, layers }];
    this.parts.set(step, parts);
    if (parts.length < this.arms) return;
    this.show({ step, arms: parts.sort((a, b) => Number(b.arm === "none") - Number(a.arm === "none")) });
  }
}

// The one connection to the server: asks for runs, keeps what comes, and mends itself.

import type { Verdict } from "../charts/exhibits";
import { Growing, records } from "./frames";

export interface TrialShown {
  key: string;
  seed: number;
  arm: string;
  norm: string;
  placement: string;
  depth: number;
  width: number;
  init: string;
  residual: number;
  rate: number;
  batch: number;
  steps: number;
  data: string;
  eps: number;
  affine: string;
  dropout: number;
  statistics: string;
  tested: number; // batch size tested with, 0 for all at once
}

export interface LayerShown {
  low: number;
  high: number;
  counts: number[];
  mean: number | null;
  std: number | null;
}

export interface Layers {
  step: number;
  arms: { arm: string; layers: LayerShown[] }[];
}

export type Status = "waiting" | "running" | "done" | "failed" | "stopped";

// One run as the page knows it. `version` goes up with every change.
export class Run {
  number = 0;
  version = 0;
  status: Status = "waiting";
  trials: TrialShown[] = [];
  count?: number; // of trials, where not all are here
  curves: Growing[] = [];
  ended = new Map<number, { how: string; at: number }>();
  round: { title: string; done: number; total: number } | null = null;
  layers: Layers[] = []; // pictures of the training, in the order of their steps
  verdict: Verdict | null = null;
  error = "";
  recorded: { when: string; machine: string } | null = null;

  constructor(
    readonly ask: number,
    readonly chapter: string,
    readonly settings: object,
    private readonly changed: () => void,
  ) {}

  private readonly listeners = new Set<() => void>();

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  touch(): void {
    this.version++;
    this.changed();
  }

  tell(): void {
    for (const listener of this.listeners) listener();
  }

  clear(): void {
    this.trials = [];
    this.curves = [];
    this.ended.clear();
    this.layers = [];
  }
}

export type State = "connecting" | "starting" | "compiling" | "restarting" | "ready" | "lost";

export interface Checked {
  seed?: number;
  gradient?: { [norm: string]: number };
  toggle?: number;
  seconds?: number;
  failed?: string;
}

export class Live {
  state: State = "connecting";
  private socket: WebSocket | null = null;
  private next = 1;
  private readonly asked = new Map<number, Run>();
  private readonly running = new Map<number, Run>();
  private readonly trusts = new Map<number, (checked: Checked) => void>();
  private readonly listeners = new Set<() => void>();
  private readonly dirty = new Set<Run>();
  private frame = 0;
  private retry = 300;

  constructor(private readonly address: string) {
    this.connect();
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  start(chapter: string, settings: object): Run {
    const run: Run = new Run(this.next++, chapter, settings, () => this.mark(run));
    this.asked.set(run.ask, run);
    this.send({ type: "start", ask: run.ask, chapter, settings });
    return run;
  }

  stop(run: Run): void {
    if (run.number) this.send({ type: "stop", run: run.number });
    this.asked.delete(run.ask);
    this.running.delete(run.number);
    if (run.status === "running" || run.status === "waiting") {
      run.status = "stopped";
      run.touch();
    }
  }

  trust(): Promise<Checked> {
    const ask = this.next++;
    this.send({ type: "trust", ask });
    return new Promise((resolve) => this.trusts.set(ask, resolve));
  }

  // For tests, and for those who want to see what happens.
  drop(): void {
    this.socket?.close();
  }

  private setState(state: State): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }

  private send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private connect(): void {
    const socket = new WebSocket(this.address);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.retry = 300;
      // Whatever was under way is asked for again; the server joins us to it.
      this.running.clear();
      for (const run of this.asked.values()) {
        if (run.status === "waiting" || run.status === "running") {
          run.clear();
          this.send({ type: "start", ask: run.ask, chapter: run.chapter, settings: run.settings });
        }
      }
    };
    socket.onmessage = (event) => {
      if (typeof event.data === "string") this.read(JSON.parse(event.data));
      else this.grow(event.data as ArrayBuffer);
    };
    socket.onclose = () => {
      this.setState("lost");
      setTimeout(() => this.connect(), this.retry);
      this.retry = Math.min(5000, this.retry * 1.7);
    };
  }

  private mark(run: Run): void {
    this.dirty.add(run);
    if (!this.frame) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        const runs = [...this.dirty];
        this.dirty.clear();
        for (const one of runs) one.tell();
      });
    }
  }

  private grow(frame: ArrayBuffer): void {
    for (const record of records(frame)) {
      const run = this.running.get(record.run);
      if (!run) continue;
      run.curves[record.trial] ??= new Growing();
      run.curves[record.trial]!.add(record);
      run.touch();
    }
  }

  private read(message: any): void {
    if (message.type === "state") {
      this.setState(message.state);
      return;
    }
    if (message.type === "trust") {
      this.trusts.get(message.ask)?.(message.checked);
      this.trusts.delete(message.ask);
      return;
    }
    if (message.type === "run" || message.type === "error") {
      const run = this.asked.get(message.ask);
      if (!run) return;
      if (message.type === "run") {
        run.number = message.run;
        run.status = "running";
        this.running.set(message.run, run);
      } else {
        run.status = "failed";
        run.error = message.text;
      }
      run.touch();
      return;
    }
    const run = this.running.get(message.run);
    if (run) this.tell(run, message);
  }

  private tell(run: Run, message: any): void {
    switch (message.type) {
      case "trials":
        message.trials.forEach((trial: TrialShown, i: number) => {
          run.trials[message.first + i] = trial;
        });
        break;
      case "ended":
        run.ended.set(message.trial, { how: message.how, at: message.at });
        break;
      case "round":
        run.round = { title: message.title, done: message.done, total: message.total };
        break;
      case "layers":
        run.layers.push(message.layers);
        break;
      case "again":
        run.clear();
        break;
      case "verdict":
        run.verdict = message.verdict;
        run.status = "done";
        break;
      case "failed":
        run.status = "failed";
        run.error = message.text;
        break;
      case "stopped":
        run.status = "stopped";
        break;
    }
    run.touch();
  }
}

export const live = new Live(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);

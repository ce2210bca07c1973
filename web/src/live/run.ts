// One run as the page knows it: what came of it so far.

import type { Ended, Layers, Progress, Recorded, Result, ToPage, TrialShown } from "../made/messages";
import { Growing } from "./frames";

export type Status = "waiting" | "running" | "done" | "failed" | "stopped";
export type Settings = { [name: string]: unknown };

// Trained elsewhere, or in front of this learner before the page was loaded anew.
export interface Origin {
  of: "recorded" | "kept";
  when: string;
  machine: string;
}

export class Run {
  number = 0;
  version = 0; // goes up with every change
  status: Status = "waiting";
  trials: TrialShown[] = [];
  count?: number; // of trials, where not all are here
  curves: Growing[] = [];
  ended = new Map<number, Ended>();
  progress: Progress | null = null;
  layers: Layers[] = []; // looks inside the networks, in the order of their steps
  result: Result | null = null;
  error = "";
  origin: Origin | null = null;

  constructor(
    readonly ask: number,
    readonly chapter: string,
    public settings: Settings,
    private readonly changed: () => void = () => {},
  ) {}

  // A run that is over, as it was written down.
  static of(chapter: string, file: Omit<Recorded, "machine">, origin: Origin): Run {
    const made = new Run(-1, chapter, file.settings);
    const { result, trials, count, layers } = file;
    return Object.assign(made, { status: "done", result, trials, count, layers, origin });
  }

  get busy(): boolean {
    return this.status === "running" || this.status === "waiting";
  }

  private readonly listeners = new Set<() => void>();

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  touch(): void {
    this.version++;
    this.changed();
  }

  tell(): void {
    this.listeners.forEach((listener) => listener());
  }

  clear(): void {
    this.trials = [];
    this.curves = [];
    this.ended.clear();
    this.layers = [];
    this.progress = null;
  }

  take(event: ToPage): void {
    switch (event.type) {
      case "joined":
        this.number = event.run;
        this.settings = event.settings;
        this.status = "running";
        break;
      case "trials":
        event.trials.forEach((trial, i) => {
          this.trials[event.first + i] = trial;
        });
        break;
      case "ended":
        this.ended.set(event.trial, event);
        break;
      case "progress":
        this.progress = event;
        break;
      case "looked":
        this.layers.push(event.layers);
        break;
      case "again":
        this.clear();
        break;
      case "concluded":
        this.result = event.result;
        this.status = "done";
        break;
      case "refused":
      case "failed":
        this.error = event.text;
        this.status = "failed";
        break;
      case "stopped":
        this.status = "stopped";
        break;
    }
    this.touch();
  }
}

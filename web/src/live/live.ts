// The one connection to the server: asks for runs, keeps what comes, and mends itself.

import type { FromPage, State as Training, ToPage, Trusted } from "../made/messages";
import { Device } from "./device";
import { fileAt } from "./files";
import { Growing, records } from "./frames";
import { Run, type Settings } from "./run";

const PAUSE_MS = 100; // between drawings

export type State = "connecting" | "lost" | "fetching" | "unable" | Training["state"];
export type Where = "computer" | "device"; // that of the server, or this browser

export class Live {
  state: State = "connecting";
  why = ""; // it is unable
  where: Where = "computer";
  private device: Device | null = null;
  private socket: WebSocket | null = null;
  private next = 1;
  private readonly asked = new Map<number, Run>(); // by what was asked, until the run is over
  private readonly running = new Map<number, Run>(); // by the server's number
  private readonly trusts = new Map<number, (found: Trusted) => void>();
  private readonly listeners = new Set<() => void>();
  private readonly dirty = new Set<Run>();
  private waiting: "" | "frame" | "pause" = ""; // for the next drawing
  private drawn = -Infinity;
  private retry = 300;
  private address = "";
  private again: ReturnType<typeof setTimeout> | undefined; // to connect again

  // Connect, and stay connected.
  open(address: string): void {
    this.leave();
    this.where = "computer";
    this.address = address;
    this.connect();
  }

  // Train in this browser, from now on.
  train(): void {
    this.leave();
    this.where = "device";
    const still = (act: () => void): void => {
      if (this.device === device) act(); // what was left has nothing more to say
    };
    const device = new Device(
      {
        read: (message) => still(() => this.read(message)),
        points: (number, trial, first, points) => still(() => this.add(number, trial, (curve) => curve.put(first, points))),
        unable: (why) => still(() => {
          this.why = why;
          this.setState("unable");
        }),
      },
      (name) => fileAt(`engine/${name}`),
    );
    this.device = device;
    this.setState("fetching");
    void device.begin();
    this.askAgain();
  }

  // Have nothing more to do with who trained so far.
  private leave(): void {
    clearTimeout(this.again);
    this.device?.close();
    this.device = null;
    const { socket } = this;
    this.socket = null;
    socket?.close();
  }

  // Whatever was under way is asked for anew.
  private askAgain(): void {
    this.running.clear();
    for (const run of this.asked.values()) {
      run.clear();
      this.send({ type: "start", ask: run.ask, chapter: run.chapter, settings: run.settings });
    }
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  start(chapter: string, settings: Settings): Run {
    const run: Run = new Run(this.next++, chapter, settings, () => this.mark(run));
    this.asked.set(run.ask, run);
    this.send({ type: "start", ask: run.ask, chapter, settings });
    return run;
  }

  // No longer watch a run; one that is under way ends early.
  stop(run: Run): void {
    if (run.origin) return;
    this.asked.delete(run.ask);
    if (this.running.get(run.number) === run) this.running.delete(run.number);
    this.send({ type: "stop", ask: run.ask });
    if (run.busy) {
      run.status = "stopped";
      run.touch();
    }
  }

  trust(): Promise<Trusted> {
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
    this.listeners.forEach((listener) => listener());
  }

  private send(message: FromPage): void {
    if (this.device) this.device.take(message);
    else if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private connect(): void {
    const socket = new WebSocket(this.address);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      if (this.socket !== socket) return;
      this.retry = 300;
      this.askAgain(); // the server joins us to what it has
      for (const ask of this.trusts.keys()) this.send({ type: "trust", ask });
    };
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      if (typeof event.data === "string") this.read(JSON.parse(event.data) as ToPage);
      else this.grow(event.data as ArrayBuffer);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return; // it was left
      this.setState("lost");
      this.again = setTimeout(() => this.connect(), this.retry);
      this.retry = Math.min(5000, this.retry * 1.7);
    };
  }

  // Drawn with every frame, charts took an eighth of two cores that were training. The first points
  // are drawn at once, and so is an end.
  private mark(run: Run): void {
    this.dirty.add(run);
    const soon = !run.busy || !run.ended.size;
    if (this.waiting === "frame" || (this.waiting && !soon)) return;
    this.waiting = soon ? "frame" : "pause";
    if (soon) requestAnimationFrame(this.draw);
    else setTimeout(() => requestAnimationFrame(this.draw), this.drawn + PAUSE_MS - performance.now());
  }

  private readonly draw = (now: number): void => {
    this.waiting = "";
    this.drawn = now;
    const runs = [...this.dirty];
    this.dirty.clear();
    runs.forEach((one) => one.tell());
  };

  private grow(frame: ArrayBuffer): void {
    for (const record of records(frame)) this.add(record.run, record.trial, (curve) => curve.add(record));
  }

  private add(number: number, trial: number, grow: (curve: Growing) => void): void {
    const run = this.running.get(number);
    if (!run) return;
    grow((run.curves[trial] ??= new Growing()));
    run.touch();
  }

  private read(message: ToPage): void {
    switch (message.type) {
      case "state":
        this.setState(message.state);
        break;
      case "trusted":
        this.trusts.get(message.ask)?.(message);
        this.trusts.delete(message.ask);
        break;
      case "joined": {
        const run = this.asked.get(message.ask);
        if (!run) break; // stopped before it began
        this.running.set(message.run, run);
        run.take(message);
        break;
      }
      case "refused":
        this.asked.get(message.ask ?? 0)?.take(message);
        this.asked.delete(message.ask ?? 0);
        break;
      default: {
        const run = this.running.get(message.run);
        run?.take(message);
        if (run && !run.busy) this.asked.delete(run.ask);
      }
    }
  }
}

export const live = new Live();

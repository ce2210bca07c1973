// A class: this device's place in it. What it expects and what it found are sent as ids and numbers,
// and kept here until the teacher's machine has written them down.

import type { Run } from "../live/run";
import { APART, type Estimate, type Found, type FromRoom, type Lead, type Refused, type ToRoom, type Vote } from "../made/room";
import { memory } from "../memory";

export type Unsent = Vote | Found;

// Which class the page belongs to, as its server wrote into its head; "" for none.
export function classHere(): string {
  return document.querySelector('meta[name="evenbatch-class"]')?.getAttribute("content") ?? "";
}

export function classServer(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/class`;
}

// Random, for whom a secure context is too much to ask of a classroom's network.
function token(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The effects of a verdict that are numbers.
export function estimates(effects: { id: string; value: number | null; bound: string }[]): Estimate[] {
  const known = effects.filter((effect) => effect.id && typeof effect.value === "number" && Number.isFinite(effect.value));
  return known.map(({ id, value, bound }) => ({ id, value, bound }) as Estimate);
}

export class Room {
  state: "out" | "joining" | "in" | "lost" = "out";
  why: Refused["why"] | "" = ""; // it was refused
  lead: Lead = { chapter: "", moved: 0, paused: false };
  private socket: WebSocket | null = null;
  private retry = 300;
  private code = "";
  private token = "";
  private readonly sent = new WeakSet<Run>();
  private readonly listeners = new Set<() => void>();

  constructor(private readonly here = classHere) {}

  // Come back to a class that this device has joined.
  resume(): void {
    const { name, token } = memory.get("room");
    if (!name || name !== this.here() || this.socket) return;
    this.token = token;
    this.connect();
  }

  join(code: string): void {
    if (this.state === "in") return;
    this.code = code;
    this.token ||= token();
    this.socket?.close();
    this.connect();
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  get member(): boolean {
    const { name } = memory.get("room");
    return name !== "" && name === this.here();
  }

  vote(experiment: string, option: string): void {
    this.tell((ask) => ({ type: "vote", ask, experiment, option }));
  }

  // A result on seeds of this pair; a recorded run is nobody's.
  found(experiment: string, run: Run): void {
    const { seed = 0 } = run.settings as { seed?: number };
    if (run.status !== "done" || run.origin || !run.result || this.sent.has(run) || Math.floor(seed / APART) !== memory.get("pair")) return;
    this.sent.add(run);
    const effects = estimates(run.result.verdict.effects);
    if (effects.length) this.tell((ask) => ({ type: "found", ask, experiment, settings: run.settings, effects }));
  }

  private tell(make: (ask: number) => Unsent): void {
    if (!this.member) return;
    const waiting = memory.get("unsent");
    const said = make(1 + Math.max(0, Date.now() % 1e9, ...waiting.map((one) => one.ask)));
    memory.set("unsent", [...waiting, said]);
    if (this.state === "in") this.send(said);
  }

  private send(message: ToRoom): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private changed(): void {
    this.listeners.forEach((listener) => listener());
  }

  private connect(): void {
    const socket = new WebSocket(classServer());
    this.socket = socket;
    this.why = "";
    if (this.state === "out") this.state = "joining";
    this.changed();
    socket.onopen = () => socket.send(JSON.stringify({ type: "join", token: this.token, code: this.code }));
    socket.onmessage = (event) => {
      if (this.socket === socket) this.read(JSON.parse(event.data as string) as FromRoom);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      if (this.why) this.state = "out";
      else {
        this.state = "lost";
        setTimeout(() => this.socket ?? this.connect(), this.retry);
        this.retry = Math.min(5000, this.retry * 1.7) * (0.8 + 0.4 * Math.random()); // not all at once
      }
      this.changed();
    };
  }

  private read(message: FromRoom): void {
    switch (message.type) {
      case "joined":
        this.retry = 300;
        this.state = "in";
        // Another learner's predictions would be this one's, and seeds of nobody's.
        if (!this.member) {
          memory.forget();
          memory.set("unsent", []);
          memory.set("room", { name: this.here(), token: this.token, moved: 0 });
        }
        memory.set("pair", message.pair);
        memory.get("unsent").forEach((said) => this.send(said));
        this.follow(message.lead);
        break;
      case "led":
        this.follow(message.lead);
        break;
      case "kept":
        this.settle(message.ask);
        break;
      case "refused":
        if (message.ask !== null) this.settle(message.ask);
        else if (this.state !== "in") this.why = message.why;
    }
    this.changed();
  }

  private settle(ask: number): void {
    memory.set("unsent", memory.get("unsent").filter((said) => said.ask !== ask));
  }

  private follow(lead: Lead): void {
    this.lead = lead;
    const room = memory.get("room");
    if (lead.moved <= room.moved || !lead.chapter) return;
    memory.set("room", { ...room, moved: lead.moved });
    location.hash = `#/${lead.chapter}`;
  }
}

export const room = new Room();

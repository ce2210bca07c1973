// What the learner did, kept in this browser and nowhere else.

import { useEffect, useReducer, useState } from "preact/hooks";

import type { Recorded } from "./made/messages";
import type { Facts } from "./parts/happened";
import type { Unsent } from "./room/room";

// A finished run, as far as its verdict goes, and the numbers that its sentence quotes.
export interface Kept extends Omit<Recorded, "machine" | "layers"> {
  facts: Facts;
}

export interface Contents {
  language: string;
  level: "cookie" | "maths";
  predictions: { [question: string]: string };
  results: { [experiment: string]: Kept };
  answers: { [question: string]: string };
  knobs: { [knob: string]: unknown };
  visited: string[];
  pair: number; // in a class; 0 for nobody's
  room: { name: string; token: string; moved: number }; // the class, by what it knows this device, how often it was led on
  unsent: Unsent[]; // what the class has yet to write down
}

const NAME = "evenbatch-lesson";
const FRESH: Contents = { language: "", level: "cookie", predictions: {}, results: {}, answers: {}, knobs: {}, visited: [], pair: 0, room: { name: "", token: "", moved: 0 }, unsent: [] };

type Group = "predictions" | "results" | "answers" | "knobs";

// What was kept, as far as it is what this page keeps: another version's or a damaged one is left.
export function sound(text: string | null): Contents {
  let found: Partial<Contents> = {};
  try {
    found = Object(JSON.parse(text ?? "{}")) as Partial<Contents>;
  } catch {
    // Not even JSON.
  }
  const kept = { ...FRESH };
  for (const key of Object.keys(FRESH) as (keyof Contents)[]) {
    const value = found[key];
    const like = typeof value === typeof FRESH[key] && value !== null && Array.isArray(value) === Array.isArray(FRESH[key]);
    if (like) Object.assign(kept, { [key]: value });
  }
  const whole = Object.entries(kept.results).filter(([, one]) => one?.result?.verdict?.figures && one.facts && one.trials);
  return { ...kept, results: Object.fromEntries(whole) };
}

class Memory {
  private kept: Contents = { ...FRESH };
  private readonly listeners = new Set<() => void>();

  constructor() {
    this.read();
    // Another tab has written: what it finished is not lost when this one writes.
    addEventListener("storage", (event) => {
      if (event.key !== NAME && event.key !== null) return;
      this.read();
      this.tell();
    });
  }

  private read(): void {
    try {
      this.kept = sound(localStorage.getItem(NAME));
    } catch {
      // Private windows may refuse; the lesson then forgets on leaving.
    }
  }

  private tell(): void {
    this.listeners.forEach((listener) => listener());
  }

  get<K extends keyof Contents>(key: K): Contents[K] {
    return this.kept[key];
  }

  set<K extends keyof Contents>(key: K, value: Contents[K]): void {
    this.kept = { ...this.kept, [key]: value };
    try {
      localStorage.setItem(NAME, JSON.stringify(this.kept));
    } catch {
      // As above.
    }
    this.tell();
  }

  put<K extends Group>(key: K, name: string, value: Contents[K][string]): void {
    this.set(key, { ...this.kept[key], [name]: value } as Contents[K]);
  }

  forget(): void {
    const { language, level, room, pair, unsent } = this.kept;
    // A device that forgot its class would join it as another pair.
    this.kept = { ...FRESH, language, ...(room.name && { room, pair, unsent }) };
    this.set("level", level);
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}

export const memory = new Memory();

export function useMemory(): Memory {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => memory.listen(again as () => void), []);
  return memory;
}

// A knob that stands where the learner left it, after a reload too; `fits` says whether what was
// kept is a value it can have.
export function useKnob<T>(name: string, first: T, fits: (kept: T) => boolean): [T, (value: T) => void] {
  const [value, set] = useState<T>(() => {
    const kept = memory.get("knobs")[name] as T;
    return typeof kept === typeof first && kept !== null && fits(kept) ? kept : first;
  });
  return [
    value,
    (next) => {
      set(() => next);
      memory.put("knobs", name, next);
    },
  ];
}

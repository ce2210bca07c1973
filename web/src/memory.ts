// What the learner did, kept in this browser and nowhere else.

import { useEffect, useReducer } from "preact/hooks";

export interface Result {
  answer: string;
  sentence: string;
  effects: { label: string; value: number | null; low: number | null; high: number | null; unit: string; bound: string }[];
  measuredOn: string;
  facts?: { [name: string]: number | string | null };
  settings: object;
  keys: string[];
  when: string;
}

export interface Kept {
  language: string;
  level: "cookie" | "maths";
  predictions: { [question: string]: string };
  results: { [chapter: string]: Result };
  answers: { [question: string]: string };
  texts: { [question: string]: string };
  visited: string[];
}

const NAME = "evenbatch-lesson";
const FRESH: Kept = { language: "", level: "cookie", predictions: {}, results: {}, answers: {}, texts: {}, visited: [] };

class Memory {
  private kept: Kept = { ...FRESH };
  private readonly listeners = new Set<() => void>();

  constructor() {
    try {
      this.kept = { ...FRESH, ...JSON.parse(localStorage.getItem(NAME) ?? "{}") };
    } catch {
      // Private windows may refuse; the lesson then forgets on leaving.
    }
  }

  get<K extends keyof Kept>(key: K): Kept[K] {
    return this.kept[key];
  }

  set<K extends keyof Kept>(key: K, value: Kept[K]): void {
    this.kept = { ...this.kept, [key]: value };
    try {
      localStorage.setItem(NAME, JSON.stringify(this.kept));
    } catch {
      // As above.
    }
    for (const listener of this.listeners) listener();
  }

  put<K extends "predictions" | "results" | "answers" | "texts">(key: K, name: string, value: Kept[K][string]): void {
    this.set(key, { ...this.kept[key], [name]: value } as Kept[K]);
  }

  forget(): void {
    const { language, level } = this.kept;
    this.kept = { ...FRESH };
    this.set("language", language);
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

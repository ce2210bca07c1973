// The page's words: one file a language, the same keys in each (a test compares them).

import { useEffect, useReducer } from "preact/hooks";

import { memory } from "../memory";
import en from "./en.json";

export type Key = keyof typeof en;
export type Language = "en" | "de";
export const LANGUAGES: { [code in Language]: string } = { en: "English", de: "Deutsch" };

let words: { [key: string]: string } = en;
let language: Language = "en";
const listeners = new Set<() => void>();

export async function setLanguage(code: Language): Promise<void> {
  words = code === "de" ? ((await import("./de.json")).default as { [key: string]: string }) : en;
  language = code;
  document.documentElement.lang = code;
  document.title = words["page.title"] ?? "";
  memory.set("language", code);
  for (const listener of listeners) listener();
}

export function currentLanguage(): Language {
  return language;
}

export function useLanguage(): Language {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const listener = again as () => void;
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return language;
}

// A number as the language writes it, with a true minus.
export function written(value: number): string {
  const text = `${value}`.replace("-", "−");
  return language === "de" ? text.replace(".", ",") : text;
}

// Words that only a part of the page has, which is loaded when it is wanted.
const more: { [code in Language]: { [key: string]: string } } = { en: {}, de: {} };

export function addWords(given: typeof more): void {
  for (const code of Object.keys(more) as Language[]) Object.assign(more[code], given[code]);
}

// The words of a key, with {name} filled in.
export function t(key: Key, values: { [name: string]: string | number } = {}): string {
  const text = words[key] ?? more[language][key] ?? en[key];
  if (text === undefined) {
    console.error(`missing words: ${key}`);
    return key;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return typeof value === "number" ? written(value) : (value ?? whole);
  });
}

// A key that is put together; the test of the words knows which there must be.
export function tt(key: string, values: { [name: string]: string | number } = {}): string {
  return t(key as Key, values);
}

export function has(key: string): boolean {
  return key in words || key in more[language];
}

// Effects in words, as Python's `protocol.phrases`.

import { OPPOSITE } from "../made/protocol";
import type { Effect } from "./effects";
import { digits, signed } from "./wording";

const TURNED = { "at least": "at most", "at most": "at least", "": "" } as const;

// A ratio below 1 the other way round, so that no one has to divide.
function turned(effect: Effect): Effect {
  const [first, second = "", ...rest] = effect.unit.split(" ");
  const opposite = (OPPOSITE as { [word: string]: string })[second];
  if (first !== "times" || !opposite || effect.value >= 1) return effect;
  const [low, high] = [effect.high, effect.low].map((end) => (end ? 1 / end : Infinity)) as [number, number];
  return { ...effect, value: 1 / effect.value, low, high, unit: ["times", opposite, ...rest].join(" "), bound: TURNED[effect.bound] };
}

export function times(given: Effect): string {
  const effect = turned(given);
  const [low, high] = [digits(effect.low), digits(effect.high)];
  const text = `${digits(effect.value)} ${effect.unit} (95 % interval `;
  if (effect.bound === "at least") return `at least ${text}from ${low})`;
  if (effect.bound === "at most") return `at most ${text}up to ${high})`;
  return `${text}${low} to ${high})`;
}

// A difference in words.
export function gain(effect: Effect): string {
  if (Number.isNaN(effect.value)) return "not known";
  const between = effect.high - effect.low === Infinity ? "not known" : `${signed(effect.low)} to ${signed(effect.high)}`;
  return `${signed(effect.value)} ${effect.unit} (95 % interval ${between})`;
}

// A difference in words that say which way it goes, if its interval does.
export function compared(effect: Effect, more: string, less: string, same: string, than = ""): string {
  if (Number.isNaN(effect.value)) return "not comparable";
  const of = than && ` ${than}`;
  if (effect.low > 0) return `${gain(effect)} ${more}${of}`;
  if (effect.high < 0) return `${gain({ ...effect, value: -effect.value, low: -effect.high, high: -effect.low })} ${less}${of}`;
  return `${same}${of} (${gain(effect).replace(" (", ", ")}`;
}

// Which trials a chart was drawn from: their seeds and keys, short below the chart, in full on a click.

import { useState } from "preact/hooks";

import type { TrialShown } from "../made/messages";
import { useMemory } from "../memory";
import { t, tt } from "../words";
import { digits } from "./scale";

const SHORT = 8; // characters of a key that tell it apart

// "0–4, 7" of 0, 1, 2, 3, 4, 7.
export function ranges(numbers: number[]): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const parts: [number, number][] = [];
  for (const n of sorted) {
    const last = parts[parts.length - 1];
    if (last && n === last[1] + 1) last[1] = n;
    else parts.push([n, n]);
  }
  return parts.map(([a, b]) => (a === b ? `${a}` : `${a}–${b}`)).join(", ");
}

export function Drawn({ trials, count }: { trials: TrialShown[]; count?: number }) {
  const [open, setOpen] = useState(false);
  const level = useMemory().get("level");
  if (!trials.length) return null;
  const measured = trials.filter((trial) => trial.phase === "measuring");
  const first = (measured.length ? measured : trials).slice(0, 3);
  const all = count ?? trials.length;
  const short = first.map((trial) => trial.key.slice(0, SHORT));
  const seeds = ranges((measured.length ? measured : trials).map((trial) => trial.seed));
  return (
    <details class="drawn" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {tt(`drawn.${level}`, { n: all, seeds: t(/\D/.test(seeds) ? "drawn.seeds" : "drawn.seed", { seeds }) })}{" "}
        {short.map((key) => <code key={key}>{key}</code>)}
        {all > short.length && <span> {t("drawn.more", { n: all - short.length })}</span>}
      </summary>
      {open && (
        <div class="keys" tabIndex={0} role="group" aria-label={t("drawn.list")}>
          <ul>
            {trials.map((trial) => (
              <li key={trial.key}>
                <code>{trial.key}</code> {`${tt(`arm.${trial.norm}`)}, ${t("trial.seed")} ${trial.seed}, ${t("trial.rate")} ${digits(trial.rate, 3)}`}
              </li>
            ))}
          </ul>
        </div>
      )}
    </details>
  );
}

// The even-out machine with its parts: who pulls one off opens its experiment, and the meter beside the
// parts shows what each cost, once the learner has measured it.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

import type { Effect } from "../made/messages";
import { useMemory } from "../memory";
import { plain, QUOTED } from "../parts/happened";
import { t, tt } from "../words";

const LEAST = -10; // of the meter, in examples of 100; the most is 100

// Of the costs that an experiment's sentence quotes, the one that did most.
export function worst(name: string, effects: Effect[]): (Effect & { value: number }) | null {
  const found = effects.filter((one): one is Effect & { value: number } => QUOTED[name]!.flat().includes(one.id) && one.value !== null);
  return found.length ? found.reduce((a, b) => (b.value > a.value ? b : a)) : null;
}

// A place on the meter, in percent of its width.
export function along(value: number): number {
  return (100 * (Math.min(100, Math.max(LEAST, value)) - LEAST)) / (100 - LEAST);
}

// What a part costs, by what was measured last; nothing if nothing was.
export function useCost(): (name: string) => { cost: Effect & { value: number }; data: string } | null {
  const results = useMemory().get("results");
  return (name) => {
    const kept = results[name];
    const cost = kept ? worst(name, kept.result.verdict.effects) : null;
    return cost && { cost, data: `${kept!.settings.data}` };
  };
}

// Where each part sits, where it lies once it is off, and how it looks.
const DRAWN: { [name: string]: { on: [number, number]; off: [number, number]; size: [number, number]; look: ComponentChildren } } = {
  "break.eps": {
    on: [160, 128], off: [286, 128], size: [30, 30],
    look: <><circle r="15" class="knob-dot" /><text y="6" text-anchor="middle">ε</text></>,
  },
  "break.knobs": {
    on: [226, 94], off: [286, 94], size: [34, 66],
    look: <><circle cy="-16" r="15" class="knob-dot" /><circle cy="17" r="15" class="knob-dot" /><text y="-11" text-anchor="middle">γ</text><text y="23" text-anchor="middle">β</text></>,
  },
  "break.eval": {
    on: [92, 106], off: [34, 106], size: [38, 48],
    look: <><rect x="-18" y="-23" width="36" height="46" rx="4" class="knob-dot" /><path d="M-11 4h22M-11 13h22" class="line" /><text y="-6" text-anchor="middle">μ σ</text></>,
  },
  "break.noise": {
    on: [160, 35], off: [250, 24], size: [30, 30],
    look: <><rect x="-14" y="-14" width="28" height="28" rx="5" class="knob-dot" />{[[-7, -7], [7, -7], [0, 0], [-7, 7], [7, 7]].map(([x, y]) => <circle key={`${x}${y}`} cx={x} cy={y} r="2.4" class="eye" />)}</>,
  },
};

const MOUTHS = { unknown: "M-12 0h24", fine: "M-12 -3q12 12 24 0", hurt: "M-12 4q12 -12 24 0" };

export function Parts({ names, at, choose }: { names: string[]; at: number; choose: (at: number) => void }) {
  const costOf = useCost();
  const id = useId();
  const off = names[at]!;
  const found = costOf(off);
  const mouth = MOUTHS[found ? ((found.cost.low ?? 0) > 0 ? "hurt" : "fine") : "unknown"];
  return (
    <div class="parts">
      <svg viewBox="0 0 320 156" role="img" aria-label={t("break.scene", { part: tt(`${off}.tab`) })}>
        <rect x="94" y="50" width="132" height="100" rx="16" class="robot robot-1" />
        <circle cx="142" cy="74" r="5" class="eye" /><circle cx="178" cy="74" r="5" class="eye" />
        <path d={mouth} transform="translate(160 95)" class="mouth" />
        {names.map((name, i) => {
          const { on, off: away, size, look } = DRAWN[name]!;
          const [x, y] = i === at ? away : on;
          return (
            <g key={name} class="part" onClick={() => choose(i)}>
              {i === at && <rect x={on[0] - size[0] / 2} y={on[1] - size[1] / 2} width={size[0]} height={size[1]} rx="6" class="slot" />}
              <g class="glides" style={{ transform: `translate(${x}px, ${y}px)` }}>{look}</g>
            </g>
          );
        })}
      </svg>
      <div>
        <p class="quiet">{t("break.meter")}</p>
        <div class="steps" role="group" aria-label={t("claim.which")}>
          {names.map((name, i) => {
            const { cost, data } = costOf(name) ?? {};
            const [low, high] = [along(cost?.low ?? 0), along(cost?.high ?? 0)];
            const [from, to] = [along(Math.min(0, cost?.value ?? 0)), along(Math.max(0, cost?.value ?? 0))];
            return (
              <div class="row" key={name}>
                <button type="button" aria-pressed={i === at} aria-describedby={`${id}-${i}`} onClick={() => choose(i)}>{tt(`${name}.tab`)}</button>
                <div class="meter">
                  <div aria-hidden="true">
                    <i class={cost && cost.value < 0 ? "gain" : ""} style={{ left: `${from}%`, width: `${to - from}%` }} />
                    {cost && <s style={{ left: `${low}%`, width: `${high - low}%` }} />}
                  </div>
                  <span id={`${id}-${i}`}>{cost ? t("break.cost", { n: plain(cost.value), data: tt(`data.${data}`) }) : t("break.unmeasured")}</span>
                </div>
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

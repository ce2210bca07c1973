// Towers of windows: a floor each layer, lit by how loud the message is that reaches it.

import { useState } from "preact/hooks";

import type { Figure } from "../made/messages";
import { Slider } from "../parts/knobs";
import { t } from "../words";
import { named } from "../words/named";
import type { Shown } from "./figure";
import { digits, extent, scale, shown } from "./scale";

export interface Light {
  level: number; // from 0, dark, to 1
  loud?: number; // from 0 to 1: how much more than the message itself
}

// From the top floor down.
export function Tower({ lights, wide, high }: { lights: Light[]; wide: number; high: number }) {
  return (
    <>
      <rect x="-6" y="-6" width={wide + 12} height={high * lights.length + 8} rx="4" class="wall" />
      {lights.map(({ level, loud = 0 }, i) => (
        <rect key={i} y={i * high} width={wide} height={high * 0.75} rx="1.5" class="window" style={{ "--level": `${Math.round(100 * level)}%`, "--loud": `${Math.round(100 * loud)}%` }} />
      ))}
    </>
  );
}

const FLOOR = 26;

// A figure whose series are layers, "batch/layer=5", at one of its steps.
export function ofLayers(figure: Figure): boolean {
  return figure.series.every((series) => /\/layer=\d+$/.test(series.id));
}

export function Windows({ claim, figure, wide }: Shown & { wide: number }) {
  const [at, setAt] = useState(0);
  const steps = [...new Set(figure.series.flatMap((series) => series.x))];
  const level = scale(...extent(figure.series.flatMap((series) => series.y), true), 0, 1, { log: true });
  const split = figure.series.map(({ id, x, y }) => {
    const [arm, layer] = id.split("/layer=") as [string, string];
    const value = y[x.indexOf(steps[at]!)] ?? null;
    return { arm, layer, value, light: { level: value ? level(value) : 0 } };
  });
  const arms = [...new Set(split.map(({ arm }) => arm))].map((arm) => ({ arm, name: named(claim, arm), floors: split.filter((one) => one.arm === arm).reverse() }));
  const column = wide / arms.length;
  const house = Math.min(120, column * 0.36);
  const high = 30 + FLOOR * arms[0]!.floors.length;
  const said = arms.map(({ name, floors }) => `${name}: ${floors.map(({ layer, value }) => `${layer} ${digits(value)}`).join(", ")}`).join("; ");
  return (
    <>
      <Slider label={t("layers.step")} min={0} max={steps.length - 1} step={1} value={at} shown={shown(steps[at] ?? 0)} change={setAt} />
      <svg viewBox={`0 0 ${wide} ${high + 10}`} role="img" aria-label={said}>
        {arms.map(({ arm, name, floors }, i) => (
          <g key={arm} transform={`translate(${column * i + 30} 30)`}>
            <text x="-28" y="-14" class={column < 200 ? "tight" : "amount"}>{name}</text>
            <Tower lights={floors.map(({ light }) => light)} wide={house} high={FLOOR} />
            {floors.map(({ layer, value }, k) => (
              <g key={layer} transform={`translate(0 ${FLOOR * k + 14})`}>
                <text x="-12" text-anchor="end">{layer}</text>
                <text x={house + 12}>{digits(value)}</text>
              </g>
            ))}
          </g>
        ))}
        <path d={`M4 ${high}H${wide - 4}`} class="ground" />
      </svg>
    </>
  );
}

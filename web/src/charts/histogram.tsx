// What the layers receive, one small histogram a layer and arm.

import type { Layers, LayerShown } from "../live/live";
import { t } from "../words";
import { look } from "./arms";
import { shown } from "./scale";

const WIDE = 150;
const HIGH = 64;

function Bars({ layer, name, place }: { layer: LayerShown; name: string; place: number }) {
  const most = Math.max(1, ...layer.counts);
  const width = WIDE / layer.counts.length;
  const one = look(name, place);
  const mean = layer.mean ?? 0;
  const at = Math.min(WIDE, Math.max(0, ((mean - layer.low) / (layer.high - layer.low)) * WIDE));
  return (
    <svg viewBox={`0 0 ${WIDE} ${HIGH + 4}`} role="img" aria-label={t("layers.alt", { arm: name, mean: shown(layer.mean ?? NaN), std: shown(layer.std ?? NaN) })}>
      {layer.counts.map((count, i) => (
        <rect key={i} x={i * width} width={width - 0.6} y={HIGH - (count / most) * HIGH} height={(count / most) * HIGH} fill={`var(${one.color})`} opacity="0.75" />
      ))}
      <line x1="0" x2={WIDE} y1={HIGH + 0.5} y2={HIGH + 0.5} class="rule" />
      <path d={`M${at} ${HIGH - 2}l-4 6h8Z`} class="mean" />
    </svg>
  );
}

export function LayerHistograms({ layers, names }: { layers: Layers | null; names: { [arm: string]: string } }) {
  if (!layers || !layers.arms.length) return <p class="quiet">{t("layers.none")}</p>;
  const depth = layers.arms[0]!.layers.length;
  return (
    <div class="histograms">
      {layers.arms.map((arm, place) => (
        <section key={arm.arm} aria-label={names[arm.arm] ?? arm.arm}>
          <h4>{names[arm.arm] ?? arm.arm}</h4>
          <ol>
            {arm.layers.slice(0, depth).map((layer, i) => (
              <li key={i}>
                <span class="quiet">{i === 0 ? t("layers.input") : t("layers.layer", { n: i + 1 })}</span>
                <Bars layer={layer} name={names[arm.arm] ?? arm.arm} place={place} />
                <span class="numbers">{t("layers.numbers", { mean: shown(layer.mean ?? NaN), std: shown(layer.std ?? NaN) })}</span>
              </li>
            ))}
          </ol>
        </section>
      ))}
    </div>
  );
}

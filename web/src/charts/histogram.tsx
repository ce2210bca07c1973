// What the layers receive, one small histogram a layer and arm.

import type { Run } from "../live/run";
import { useRun } from "../live/use";
import type { Layers, LayerShown, TrialShown } from "../made/messages";
import { Reel, useFilm } from "../parts/reel";
import { t } from "../words";
import { Drawn } from "./drawn";
import type { Arm } from "./live";
import { looks } from "./looks";
import { digits } from "./scale";

const WIDE = 150;
const HIGH = 64;

function Bars({ layer, name, color }: { layer: LayerShown; name: string; color: string }) {
  const most = Math.max(1, ...layer.counts);
  const width = WIDE / layer.counts.length;
  const [low, high, mean] = [layer.low ?? 0, layer.high ?? 1, layer.mean ?? 0];
  const at = Math.min(WIDE, Math.max(0, ((mean - low) / (high - low)) * WIDE));
  return (
    <svg viewBox={`0 0 ${WIDE} ${HIGH + 4}`} role="img" aria-label={t("layers.alt", { arm: name, mean: digits(layer.mean), std: digits(layer.std) })}>
      {layer.counts.map((count, i) => (
        <rect key={i} x={i * width} width={width - 0.6} y={HIGH - (count / most) * HIGH} height={(count / most) * HIGH} fill={`var(--arm-${color})`} opacity="0.75" />
      ))}
      <line x1="0" x2={WIDE} y1={HIGH + 0.5} y2={HIGH + 0.5} class="rule" />
      <path d={`M${at} ${HIGH - 2}l-4 6h8Z`} class="mean" />
    </svg>
  );
}

function nameIn(arms: Arm[], id: string): string {
  return arms.find((arm) => arm.id === id)?.name ?? id;
}

function Histograms({ layers, arms }: { layers: Layers; arms: Arm[] }) {
  const drawn = looks(layers.arms.map((arm) => arm.arm));
  return (
    <div class="histograms">
      {layers.arms.map((arm, place) => (
        <section key={arm.arm} aria-label={nameIn(arms, arm.arm)}>
          <h4>{nameIn(arms, arm.arm)}</h4>
          <ol>
            {arm.layers.map((layer, i) => (
              <li key={i}>
                <span class="quiet">{i === 0 ? t("layers.input") : t("layers.layer", { n: i + 1 })}</span>
                <Bars layer={layer} name={nameIn(arms, arm.arm)} color={drawn[place]!.color} />
                <span class="numbers">
                  {t("layers.mean", { mean: digits(layer.mean) })}
                  <br />
                  {t("layers.spread", { std: digits(layer.std) })}
                </span>
              </li>
            ))}
          </ol>
        </section>
      ))}
    </div>
  );
}

// The pair that is shown: that of the first seed.
function pairOf(run: Run): TrialShown[] {
  const first = Math.min(...run.trials.map((trial) => trial.seed));
  return run.trials.filter((trial) => trial.seed === first);
}

export function LayerFilm({ run, arms }: { run: Run | null; arms: Arm[] }) {
  useRun(run);
  const frames = run?.layers ?? [];
  const film = useFilm(run, frames.length - 1);
  if (film.last < 0) return run?.result ? null : <p class="quiet">{t("layers.none")}</p>;
  const frame = frames[film.at]!;
  return (
    <figure class="figure film" aria-label={t("layers.title")}>
      <figcaption>
        <strong>{t("layers.title")}</strong>
        <span>{t("layers.says")}</span>
      </figcaption>
      <Reel film={film} shown={`${frame.step}`} />
      <Histograms layers={frame} arms={arms} />
      <Drawn trials={pairOf(run!)} />
      <details>
        <summary>{t("chart.numbers")}</summary>
        <FilmNumbers frames={frames} arms={arms} />
      </details>
    </figure>
  );
}

// The means, picture by picture.
function FilmNumbers({ frames, arms }: { frames: Layers[]; arms: Arm[] }) {
  const every = Math.ceil(frames.length / 10);
  const some = frames.filter((_, i) => i % every === 0 || i === frames.length - 1);
  const columns = frames[0]!.arms.flatMap((arm, a) => arm.layers.map((_, i) => ({ a, i, name: `${nameIn(arms, arm.arm)}, ${i === 0 ? t("layers.input") : t("layers.layer", { n: i + 1 })}` })));
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table>
        <caption>{t("layers.means")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("chart.step")}</th>
            {columns.map((column) => <th scope="col" key={column.name}>{column.name}</th>)}
          </tr>
        </thead>
        <tbody>
          {some.map((frame) => (
            <tr key={frame.step}>
              <th scope="row">{frame.step}</th>
              {columns.map(({ a, i }) => <td key={`${a} ${i}`}>{digits(frame.arms[a]?.layers[i]?.mean)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// One learning rate at a time: turn the dial, bake one batch, see what comes out of the oven.

import { useEffect, useState } from "preact/hooks";

import { digits, scale } from "../charts/scale";
import { useWide } from "../charts/size";
import { live } from "../live/live";
import type { Run } from "../live/run";
import { useRun } from "../live/use";
import { Choose, Slider } from "../parts/knobs";
import { t, tt } from "../words";

const STEPS = 300;
const LOWEST = -4; // powers of ten
const HIGHEST = 2;
const NORMS = ["none", "batch"] as const;

type Norm = (typeof NORMS)[number];
export type Baked = "dough" | "pale" | "right" | "burnt";

export interface Try {
  norm: Norm;
  rate: number;
  right: number; // share of test examples; what blew up has learned nothing
  baked: Baked;
}

// What a run has come to: too slow leaves dough; where the loss rose above its start on the way and
// little was learned, it was too fast.
export function bakedOf(right: number, diverged: boolean, loss: number[]): Baked {
  if (right >= 0.5 && !diverged) return right >= 0.9 ? "right" : "pale";
  return diverged || !(Math.max(...loss) < 1.1 * loss[0]!) ? "burnt" : "dough";
}

function tryOf(run: Run, norm: Norm, rate: number): Try | null {
  const curve = run.curves[0];
  if (run.status !== "done" || !curve?.metric.length) return null;
  const diverged = run.ended.get(0)?.how === "diverged";
  const right = diverged ? 0 : curve.metric.at(-1)!;
  return { norm, rate, right, baked: bakedOf(right, diverged, curve.testLoss) };
}

function Oven({ tries }: { tries: Try[] }) {
  const [box, wide] = useWide<HTMLElement>(320);
  const at = scale(10 ** LOWEST, 10 ** HIGHEST, 20, wide - 20, { log: true, wanted: 6 });
  const said = tries.map((one) => `${tt(`arm.${one.norm}`)}, ${digits(one.rate)}: ${t(`rates.baked.${one.baked}`)}`).join("; ");
  return (
    <figure class="oven" ref={box}>
      <svg viewBox={`0 0 ${wide} 132`} role="img" aria-label={said || t("rates.oven")}>
        {NORMS.map((norm, row) => (
          <g key={norm} transform={`translate(0 ${26 + 50 * row})`}>
            <text x="2" y="-8">{tt(`arm.${norm}`)}</text>
            <line x1="8" x2={wide - 8} y1="14" y2="14" class="rule" />
            {tries.map((one, i) => one.norm === norm && (
              <g key={i} transform={`translate(${at(one.rate)} 14)`} class={`baked ${one.baked}`}>
                <circle r="11" class="cookie" />
                <text y="4" text-anchor="middle" class="order">{Math.round(100 * one.right)}</text>
              </g>
            ))}
          </g>
        ))}
        {at.ticks.map(({ value, label }) => <text key={value} x={at(value)} y="126" text-anchor="middle">{label}</text>)}
      </svg>
    </figure>
  );
}

export function Dial() {
  const [power, setPower] = useState(-2);
  const [norm, setNorm] = useState<Norm>("none");
  const [tries, setTries] = useState<Try[]>([]);
  const [why, setWhy] = useState("");
  const [baking, setBaking] = useState<{ run: Run; norm: Norm; rate: number } | null>(null);
  useRun(baking?.run ?? null);
  const rate = 10 ** power;
  const status = baking?.run.status;
  useEffect(() => {
    if (!baking || baking.run.busy) return;
    const done = tryOf(baking.run, baking.norm, baking.rate);
    if (done) setTries((old) => [...old.filter((one) => one.norm !== done.norm || one.rate !== done.rate), done]);
    setWhy(baking.run.error);
    setBaking(null);
  }, [status]);
  useEffect(() => () => { if (baking?.run.busy) live.stop(baking.run); }, [baking]);
  const bake = () => {
    if (baking) return;
    setBaking({ run: live.start("bench", { data: "digits", arms: [{ norm, learning_rate: rate }], steps: STEPS, seeds: 1 }), norm, rate });
  };
  const last = tries.at(-1);
  return (
    <>
      <div class="knobs">
        <Choose label={t("knob.norm")} value={norm} change={setNorm} options={NORMS.map((value) => ({ value, label: tt(`arm.${value}`) }))} />
        <Slider label={t("knob.rate")} min={LOWEST} max={HIGHEST} step={0.5} value={power} shown={digits(rate)} change={setPower} />
      </div>
      <div class="controls">
        <button type="button" class="primary" aria-disabled={baking !== null} onClick={bake}>{t("rates.bake")}</button>
        {tries.length > 0 && <button type="button" onClick={() => setTries([])}>{t("rates.clear")}</button>}
      </div>
      <p aria-live="polite">
        {why && <span class="failed">{t("run.failed", { why })}</span>}
        {!why && last && t("rates.came", { arm: tt(`arm.${last.norm}`), rate: digits(last.rate), right: Math.round(100 * last.right), how: t(`rates.baked.${last.baked}`) })}
      </p>
      <Oven tries={tries} />
    </>
  );
}

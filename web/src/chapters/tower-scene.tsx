// A whisper through fifty floors, each of which passes on a little less or a little more; beside it
// the same tower with a corridor. Arithmetic: nothing is trained here.

import { digits } from "../charts/scale";
import { useWide } from "../charts/size";
import { type Light, Tower } from "../charts/windows";
import { useKnob } from "../memory";
import { Slider } from "../parts/knobs";
import { t, written } from "../words";

export const FLOORS = 50;
const HIGH = 5; // of a floor
const [LEAST, MOST] = [0.9, 1.1];

// What is heard from the top floor down to the ground; through the corridor comes a whole copy.
export function heard(each: number, corridor: boolean): number[] {
  return Array.from({ length: FLOORS }, (_, floor) => each ** (floor + 1) + (corridor ? 1 : 0));
}

// Dark at the least that can be heard, red at the most.
export function lightOf(strength: number): Light {
  const [quiet, loud] = [LEAST, MOST].map((each) => Math.log(strength) / Math.log(each ** FLOORS)) as [number, number];
  return { level: Math.min(1, Math.max(0, 1 - quiet)), loud: Math.min(1, Math.max(0, loud)) };
}

export function Whisper() {
  const [box, wide] = useWide<HTMLDivElement>(320);
  const [each, setEach] = useKnob("tower.whisper", 1, (kept) => kept >= LEAST && kept <= MOST);
  const towers = [false, true].map((corridor) => heard(each, corridor));
  const [plain, past] = towers.map((all) => digits(all.at(-1), 3)) as [string, string];
  const house = Math.min(110, wide * 0.22);
  const bottom = 26 + HIGH * FLOORS;
  return (
    <>
      <Slider label={t("tower.each")} min={LEAST} max={MOST} step={0.01} value={each} shown={`× ${written(+each.toFixed(2))}`} change={setEach} />
      <p aria-live="polite">{t("tower.heard", { plain, past })}</p>
      <div class="floor" ref={box}>
        <svg viewBox={`0 0 ${wide} ${bottom + 34}`} role="img" aria-label={t("tower.scene")}>
          {towers.map((all, i) => (
            <g key={i} transform={`translate(${wide * (0.25 + 0.5 * i) - house / 2} 22)`}>
              <Tower lights={all.map(lightOf)} wide={house} high={HIGH} />
              {i === 1 && <path d={`M${house + 8} 2q16 0 16 16V${HIGH * FLOORS - 18}q0 16-16 16`} class="way-around" />}
              <text x={house / 2} y={bottom + 4} text-anchor="middle" class="amount">{`× ${i ? past : plain}`}</text>
            </g>
          ))}
          <path d={`M4 ${bottom}H${wide - 4}`} class="ground" />
        </svg>
      </div>
    </>
  );
}

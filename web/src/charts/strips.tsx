// A row for each arm, a cell for each value tried: the stronger the shade, the higher.

import { axisName, levelName, named } from "../words/named";
import type { Shown } from "./figure";
import { extent, scale, shown } from "./scale";
import { LETTER, wrapped } from "./wrapped";

const NARROW = 520; // below, names stand above their rows

// What the shades mean, from the weakest to the strongest.
function Shades({ claim, figure, low, high }: Shown & { low: number; high: number }) {
  return (
    <p class="shades" aria-hidden="true">
      <span>{axisName(claim, figure.y)}:</span>
      <span>{shown(low, figure.y.percent)}</span>
      <i />
      <span>{shown(high, figure.y.percent)}</span>
    </p>
  );
}

export function Strips({ claim, figure, wide, label }: Shown & { wide: number; label: string }) {
  const full = figure.series.map((series) => named(claim, series.id, series.name));
  const many = full.length > 12;
  // Many rows share the first part of their names: it stands once, above its group.
  const groups = full.map((name) => (many ? name.slice(0, name.lastIndexOf(", ")) : ""));
  const names = full.map((name, r) => (groups[r] ? name.slice(groups[r]!.length + 2) : name));
  const above = wide < NARROW && !many;
  const left = above ? 0 : Math.min(wide * 0.48, 26 + LETTER * Math.max(...names.map((name) => name.length)));
  const cell = many ? 17 : above ? 28 : 34;
  const lines = names.map((name) => (above ? wrapped(name, wide) : [name]));
  const head = above ? 4 + 15 * Math.max(...lines.map((line) => line.length)) : 0;
  const row = cell + head;
  const xs = [...new Set(figure.series.flatMap((s) => s.x.filter((v) => v !== null)))].sort((a, b) => a - b);
  const width = (wide - left - 2) / Math.max(1, xs.length);
  const [low, high] = extent(figure.series.flatMap((s) => s.y), figure.y.log);
  const shade = scale(low, high, 0.04, 1, { log: figure.y.log });
  const goal = figure.marks.find((m) => m.id === "goal")?.value ?? null;
  const tops: number[] = [];
  let bottom = 0;
  names.forEach((_, r) => {
    if (groups[r] && groups[r] !== groups[r - 1]) bottom += 24;
    tops.push(bottom);
    bottom += row;
  });
  const text = (v: number) => levelName(claim, figure.x, v);
  const longest = Math.max(...xs.map((v) => text(v).length));
  const every = Math.ceil((longest * LETTER + 8) / width);
  const below = wrapped(axisName(claim, figure.x), wide - left);
  return (
    <>
      <Shades claim={claim} figure={figure} low={low} high={high} />
      <svg viewBox={`0 0 ${wide} ${bottom + 30 + 16 * below.length}`} role="img" aria-label={label}>
        {figure.series.map((series, r) => (
          <g key={series.id} transform={`translate(0 ${tops[r]})`}>
            {groups[r] && groups[r] !== groups[r - 1] && <text x="1" y="-7">{groups[r]}</text>}
            {above ? lines[r]!.map((line, i) => <text key={i} x="1" y={head - 7 - 15 * (lines[r]!.length - 1 - i)}>{line}</text>) : <text x={left - 10} y={cell / 2 + 4} text-anchor="end">{names[r]}</text>}
            {series.x.map((at, i) => {
              const value = series.y[i];
              if (at === null) return null;
              const c = xs.indexOf(at);
              const there = value !== null && value !== undefined;
              const got = goal !== null && there && value >= goal;
              const top = head + 1;
              return (
                <g key={i}>
                  <rect x={left + c * width + 1} y={top} width={Math.max(1, width - 2)} height={cell - 2} rx="2" fill="var(--shade)" fill-opacity={there ? Math.min(1, Math.max(0.04, shade(value))) : 0} class={got ? "cell reached" : "cell"}>
                    <title>{`${full[r]}, ${text(at)}: ${there ? shown(value, figure.y.percent) : "–"}`}</title>
                  </rect>
                  {got && cell > 20 && width > 14 && <path class="tickmark" d={`M${left + (c + 0.5) * width - 4} ${top + cell / 2 - 1}l3 4l5 -8`} />}
                </g>
              );
            })}
          </g>
        ))}
        <g class="axes">
          {xs.map((v, c) => (c % every === 0 ? <text key={v} x={left + (c + 0.5) * width} y={bottom + 18} text-anchor={c === 0 && text(v).length * LETTER > width ? "start" : "middle"} dx={c === 0 && text(v).length * LETTER > width ? -width / 2 : 0}>{text(v)}</text> : null))}
          {below.map((line, i) => <text key={i} class="label" x={(left + wide) / 2} y={bottom + 38 + 16 * i} text-anchor="middle">{line}</text>)}
        </g>
      </svg>
    </>
  );
}

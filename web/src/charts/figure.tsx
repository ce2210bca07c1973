// A figure of a verdict, drawn as SVG, with its words and its numbers beside it.

import type { ComponentChildren } from "preact";

import { t } from "../words";
import { Key, look, Marker } from "./arms";
import type { FigureShown, Series } from "./exhibits";
import { extent, scale, shown, type Scale } from "./scale";

const WIDE = 640;
const LEFT = 62;
const RIGHT = 16;

type Point = [number, number];

function points(series: Series, x: Scale, y: Scale, values: (number | null)[]): (Point | null)[] {
  return series.x.map((at, i) => {
    const value = values[i];
    return at === null || value === null || value === undefined ? null : [x(at), y(value)];
  });
}

// Pieces between gaps.
export function path(found: (Point | null)[]): string {
  let drawn = "";
  let down = false;
  for (const point of found) {
    if (!point || !Number.isFinite(point[0] + point[1])) {
      down = false;
      continue;
    }
    drawn += `${down ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    down = true;
  }
  return drawn;
}

function bandPath(low: (Point | null)[], high: (Point | null)[]): string {
  const there = low.flatMap((p, i) => (p && high[i] ? [i] : []));
  if (there.length < 2) return "";
  const up = there.map((i) => low[i]!);
  const back = there.map((i) => high[i]!).reverse();
  return `M${[...up, ...back].map((p) => `${p[0].toFixed(1)} ${p[1].toFixed(1)}`).join("L")}Z`;
}

function Axes({ x, y, bottom, top, figure, names }: { x: Scale | null; y: Scale | null; bottom: number; top: number; figure: FigureShown; names?: boolean }) {
  return (
    <g class="axes">
      {y?.ticks.map((tick) => (
        <g key={tick.value}>
          <line class="rule" x1={LEFT} x2={WIDE - RIGHT} y1={y(tick.value)} y2={y(tick.value)} />
          <text x={LEFT - 8} y={y(tick.value) + 4} text-anchor="end">{tick.label}</text>
        </g>
      ))}
      {x?.ticks.map((tick) => (
        <g key={tick.value}>
          <line class="tick" x1={x(tick.value)} x2={x(tick.value)} y1={bottom} y2={bottom + 5} />
          <text x={x(tick.value)} y={bottom + 19} text-anchor="middle">
            {lines(tick.label, figure.x.names.length > 2).map((line, i) => (
              <tspan key={line} x={x(tick.value)} dy={i ? 15 : 0}>{line}</tspan>
            ))}
          </text>
        </g>
      ))}
      <text class="label" x={(LEFT + WIDE - RIGHT) / 2} y={bottom + 38 + 15 * extraLines(figure)} text-anchor="middle">{figure.x.label}</text>
      {!names && <text class="label" x={LEFT - 8} y={top - 10} text-anchor="start">{figure.y.label}</text>}
    </g>
  );
}

// A long name in two or three lines, broken at its commas.
function lines(label: string, narrow: boolean): string[] {
  return narrow && label.length > 14 ? label.split(/,\s+/) : [label];
}

// How much lower the axis title has to stand for names of several lines.
function extraLines(figure: FigureShown): number {
  return Math.max(0, ...figure.x.names.map((name) => lines(name, figure.x.names.length > 2).length - 1));
}

function xScale(figure: FigureShown): Scale {
  const names = figure.x.names;
  const all = figure.series.flatMap((s) => s.x);
  const marks = figure.marks.filter((m) => m.axis === "x").map((m) => m.value);
  const [low, high] = names.length ? [-0.5, names.length - 0.5] : extent([...all, ...marks], figure.x.log);
  const made = scale(low, high, LEFT + 8, WIDE - RIGHT - 8, { log: figure.x.log, percent: figure.x.percent, wanted: 7 });
  if (names.length) made.ticks = names.map((label, value) => ({ value, label }));
  return made;
}

function Lines({ figure, dots }: { figure: FigureShown; dots: boolean }) {
  const top = 34;
  const bottom = 270;
  const x = xScale(figure);
  const all = figure.series.flatMap((s) => [...s.y, ...s.low, ...s.high]);
  const marks = figure.marks.filter((m) => m.axis === "y").map((m) => m.value);
  const [low, high] = extent([...all, ...marks], figure.y.log);
  const room = figure.y.log ? 0 : (high - low) * 0.05;
  const y = scale(low - room, high + room, bottom, top, { log: figure.y.log, percent: figure.y.percent });
  const many = figure.series.length;
  return (
    <svg viewBox={`0 0 ${WIDE} ${bottom + 46 + 15 * extraLines(figure)}`} role="img" aria-label={`${figure.title}. ${figure.alt}`}>
      <Axes x={x} y={y} bottom={bottom} top={top} figure={figure} />
      {figure.marks.map((mark) =>
        mark.value === null ? null : mark.axis === "y" ? (
          <g class="mark" key={mark.label}>
            <line x1={LEFT} x2={WIDE - RIGHT} y1={y(mark.value)} y2={y(mark.value)} />
            <text x={WIDE - RIGHT} y={y(mark.value) - 5} text-anchor="end">{mark.label}</text>
          </g>
        ) : (
          <g class="mark" key={mark.label}>
            <line x1={x(mark.value)} x2={x(mark.value)} y1={top} y2={bottom} />
            <text x={x(mark.value) + 4} y={top + 10}>{mark.label}</text>
          </g>
        ),
      )}
      {figure.series.map((series, place) => {
        const one = look(series.name, place);
        const shift = dots ? (place - (many - 1) / 2) * 9 : 0;
        const middle = points(series, x, y, series.y);
        const down = points(series, x, y, series.low);
        const up = points(series, x, y, series.high);
        if (dots) {
          return (
            <g key={series.name} transform={`translate(${shift} 0)`}>
              {middle.map((point, i) =>
                point ? (
                  <g key={i}>
                    {down[i] && up[i] && <line x1={point[0]} x2={point[0]} y1={down[i]![1]} y2={up[i]![1]} stroke={`var(${one.color})`} stroke-width="2.5" />}
                    <Marker one={one} x={point[0]} y={point[1]} size={4.5} />
                  </g>
                ) : null,
              )}
            </g>
          );
        }
        return (
          <g key={series.name}>
            {series.low.length > 0 && <path d={bandPath(down, up)} fill={`var(${one.color})`} opacity="0.16" />}
            <path d={path(middle)} fill="none" stroke={`var(${one.color})`} stroke-width="2.5" stroke-dasharray={one.dash.join(" ")} stroke-linejoin="round" />
            {middle.length <= 16 && middle.map((p, i) => (p ? <Marker key={i} one={one} x={p[0]} y={p[1]} size={3.5} /> : null))}
          </g>
        );
      })}
    </svg>
  );
}

function Strips({ figure }: { figure: FigureShown }) {
  const row = figure.series.length > 12 ? 16 : 34;
  const longest = Math.max(...figure.series.map((s) => s.name.length));
  const left = Math.min(310, Math.max(110, 20 + 6.7 * longest));
  const top = 30;
  const xs = [...new Set(figure.series.flatMap((s) => s.x.filter((v) => v !== null)))].sort((a, b) => a - b);
  const width = (WIDE - left - RIGHT) / Math.max(1, xs.length);
  const [low, high] = extent(figure.series.flatMap((s) => s.y), figure.y.log);
  const shade = scale(low, high, 0.04, 1, { log: figure.y.log });
  const goal = figure.marks.find((m) => m.axis === "y")?.value ?? null;
  const bottom = top + row * figure.series.length;
  const every = Math.ceil(xs.length / 9);
  const label = (v: number) => figure.x.names[v] ?? shown(v, figure.x.percent);
  return (
    <svg viewBox={`0 0 ${WIDE} ${bottom + 48}`} role="img" aria-label={`${figure.title}. ${figure.alt}`}>
      <text class="label" x={left} y={top - 12}>{`${figure.y.label}: ${shown(low, figure.y.percent)} `}</text>
      <defs>
        <linearGradient id="shade">
          <stop offset="0" stop-color="var(--shade)" stop-opacity="0.04" />
          <stop offset="1" stop-color="var(--shade)" />
        </linearGradient>
      </defs>
      <text class="label" x={WIDE - RIGHT} y={top - 12} text-anchor="end">{shown(high, figure.y.percent)}</text>
      <rect x={left + 8.2 * (figure.y.label.length + 6)} y={top - 21} width={Math.max(0, WIDE - RIGHT - left - 8.2 * (figure.y.label.length + 6) - 60)} height="10" fill="url(#shade)" />
      {figure.series.map((series, r) => (
        <g key={series.name}>
          <text x={left - 10} y={top + r * row + row / 2 + 4} text-anchor="end">{series.name}</text>
          {series.x.map((at, i) => {
            const value = series.y[i];
            if (at === null) return null;
            const c = xs.indexOf(at);
            const reached = goal !== null && value !== null && value !== undefined && value >= goal;
            return (
              <g key={i}>
                <rect
                  x={left + c * width + 1}
                  y={top + r * row + 1}
                  width={Math.max(1, width - 2)}
                  height={row - 2}
                  rx="2"
                  fill="var(--shade)"
                  fill-opacity={value === null || value === undefined ? 0 : Math.min(1, Math.max(0.04, shade(value)))}
                  class={reached ? "cell reached" : "cell"}
                >
                  <title>{`${series.name}, ${label(at)}: ${value === null || value === undefined ? "–" : shown(value, figure.y.percent)}`}</title>
                </rect>
                {reached && row > 20 && width > 14 && (
                  <path class="tickmark" d={`M${left + (c + 0.5) * width - 4} ${top + r * row + row / 2}l3 4l5 -8`} />
                )}
              </g>
            );
          })}
        </g>
      ))}
      <g class="axes">
        {xs.map((v, c) => (c % every === 0 ? <text key={v} x={left + (c + 0.5) * width} y={bottom + 18} text-anchor="middle">{label(v)}</text> : null))}
        <text class="label" x={(left + WIDE - RIGHT) / 2} y={bottom + 38} text-anchor="middle">{figure.x.label}</text>
      </g>
    </svg>
  );
}

// The numbers of a figure, for those who would rather read them.
function Numbers({ figure }: { figure: FigureShown }) {
  const xs = [...new Set(figure.series.flatMap((s) => s.x.filter((v) => v !== null)))].sort((a, b) => a - b);
  const every = Math.ceil(xs.length / 14);
  const some = xs.filter((_, i) => i % every === 0 || i === xs.length - 1);
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{figure.x.label}</th>
            {figure.series.map((s) => <th scope="col" key={s.name}>{s.name}</th>)}
          </tr>
        </thead>
        <tbody>
          {some.map((v) => (
            <tr key={v}>
              <th scope="row">{figure.x.names[v] ?? shown(v, figure.x.percent)}</th>
              {figure.series.map((s) => {
                const i = s.x.indexOf(v);
                const value = i < 0 ? null : s.y[i];
                return <td key={s.name}>{value === null || value === undefined ? "–" : shown(value, figure.y.percent)}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Figure({ figure, children }: { figure: FigureShown; children?: ComponentChildren }) {
  return (
    <figure class="figure">
      <figcaption>
        <strong>{figure.title}</strong> {figure.alt}
      </figcaption>
      {figure.kind === "strips" ? <Strips figure={figure} /> : <Lines figure={figure} dots={figure.kind === "dots"} />}
      {figure.kind !== "strips" && <Key names={figure.series.map((s) => s.name)} />}
      {children}
      <details>
        <summary>{t("chart.numbers")}</summary>
        <Numbers figure={figure} />
      </details>
    </figure>
  );
}

// A figure of a verdict, drawn as SVG, with its words and its numbers beside it.

import type { Figure as FigureShown, Mark, Series, TrialShown } from "../made/messages";
import { t } from "../words";
import { axisName, figureWords, levelName, markName, named } from "../words/named";
import { Key, Marker } from "./arms";
import { Drawn } from "./drawn";
import { looks, type Look } from "./looks";
import { extent, scale, shown, type Scale } from "./scale";
import { useWide } from "./size";
import { Strips } from "./strips";
import { ofLayers, Windows } from "./windows";
import { LETTER, wrapped } from "./wrapped";

const RIGHT = 16;
const LINE = 16; // pixels from one line of words to the next

// A figure and the claim whose words it has.
export interface Shown {
  claim: string;
  figure: FigureShown;
}

interface Frame {
  wide: number;
  top: number;
  left: number;
  bottom: number;
}

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

function Axes({ x, y, frame, name, room }: { x: Scale; y: Scale; frame: Frame; name: string[]; room: number }) {
  const { wide, left, bottom } = frame;
  const lines = x.ticks.map((tick) => wrapped(tick.label, room));
  const below = Math.max(1, ...lines.map((line) => line.length));
  return (
    <g class="axes">
      {y.ticks.map((tick) => (
        <g key={tick.value}>
          <line class="rule" x1={left} x2={wide - RIGHT} y1={y(tick.value)} y2={y(tick.value)} />
          <text x={left - 8} y={y(tick.value) + 4} text-anchor="end">{tick.label}</text>
        </g>
      ))}
      {x.ticks.map((tick, k) => (
        <g key={tick.value}>
          <line class="tick" x1={x(tick.value)} x2={x(tick.value)} y1={bottom} y2={bottom + 5} />
          <text x={x(tick.value)} y={bottom + 19} text-anchor="middle" class={room < 64 ? "tight" : ""}>
            {lines[k]!.map((line, i) => (
              <tspan key={i} x={x(tick.value)} dy={i ? 15 : 0}>{room < 64 ? line.replace(/,$/, "") : line}</tspan>
            ))}
          </text>
        </g>
      ))}
      {name.map((line, i) => <text key={i} class="label" x={(left + wide - RIGHT) / 2} y={bottom + 25 + 15 * below + LINE * i} text-anchor="middle">{line}</text>)}
    </g>
  );
}

// A few values on a log axis are named themselves; powers of ten would miss most of them.
function ticksAt(made: Scale, values: number[], room: number): void {
  let end = -Infinity;
  made.ticks = [];
  for (const value of values) {
    const label = shown(value);
    const half = (label.length * LETTER) / 2 + 4;
    if (made(value) - half < end) continue;
    made.ticks.push({ value, label });
    end = Math.min(made(value) + half, room);
  }
}

function xScale({ claim, figure }: Shown, frame: Frame): Scale {
  const { wide, left } = frame;
  const names = figure.x.names;
  const all = figure.series.flatMap((s) => s.x);
  const marks = figure.marks.filter((m) => m.axis === "x").map((m) => m.value);
  const [low, high] = names.length ? [-0.5, names.length - 0.5] : extent([...all, ...marks], figure.x.log);
  const made = scale(low, high, left + 8, wide - RIGHT - 8, { log: figure.x.log, percent: figure.x.percent, wanted: wide < 420 ? 4 : 7 });
  if (names.length) made.ticks = names.map((_, value) => ({ value, label: levelName(claim, figure.x, value) }));
  const few = [...new Set(all)].filter((v): v is number => v !== null && (!figure.x.log || v > 0)).sort((a, b) => a - b);
  if (!names.length && figure.x.log && few.length <= 9) ticksAt(made, few, wide);
  return made;
}

interface Label {
  mark: Mark;
  text: string;
  x: number;
  y: number;
  anchor: "start" | "end";
}

// Where the names of marks stand: at the right end of a line across, at the foot of one upright, and
// as many lines higher as keep it clear of those before it.
export function labelled(marks: Mark[], names: string[], x: Scale, y: Scale, { wide, top, bottom }: Frame): Label[] {
  const boxes: { left: number; right: number; y: number }[] = [];
  const found: Label[] = [];
  const order = marks.map((_, i) => i).sort((a, b) => +(marks[a]!.axis === "x") - +(marks[b]!.axis === "x"));
  for (const i of order) {
    const [mark, text] = [marks[i]!, names[i]!];
    if (mark.value === null) continue;
    const long = text.length * LETTER;
    const at = mark.axis === "x" ? x(mark.value) : wide - RIGHT;
    const turned = mark.axis === "y" || at + long + 9 > wide;
    const start = mark.axis === "y" ? at : turned ? at - 5 : at + 5;
    const [left, right] = turned ? [start - long, start] : [start, start + long];
    const high = mark.axis === "y" ? y(mark.value) : 0;
    let line = mark.axis === "x" ? bottom - 10 : high < top + 50 ? high + LINE : high - 5;
    while (line > top && boxes.some((box) => left < box.right + 6 && right + 6 > box.left && Math.abs(box.y - line) < LINE)) line -= 4;
    boxes.push({ left, right, y: line });
    found.push({ mark, text, x: start, y: line, anchor: turned ? "end" : "start" });
  }
  return found;
}

// Names stand on the paper in their own light, so that a curve behind them does not strike them out.
function Marks({ claim, figure, x, y, frame }: Shown & { x: Scale; y: Scale; frame: Frame }) {
  const { wide, top, left, bottom } = frame;
  const names = figure.marks.map((mark) => markName(claim, mark, figure[mark.axis].percent));
  return (
    <g class="mark">
      {labelled(figure.marks, names, x, y, frame).map(({ mark, text, ...at }) => (
        <g key={`${mark.id}/${mark.series}`}>
          {mark.axis === "y" ? <line x1={left} x2={wide - RIGHT} y1={y(mark.value!)} y2={y(mark.value!)} /> : <line x1={x(mark.value!)} x2={x(mark.value!)} y1={top} y2={bottom} />}
          <text x={at.x} y={at.y} text-anchor={at.anchor}>{text}</text>
        </g>
      ))}
    </g>
  );
}

function Dots({ middle, down, up, color, look }: { middle: (Point | null)[]; down: (Point | null)[]; up: (Point | null)[]; color: string; look: Look }) {
  return (
    <>
      {middle.map((point, i) =>
        point ? (
          <g key={i}>
            {down[i] && up[i] && <line x1={point[0]} x2={point[0]} y1={down[i]![1]} y2={up[i]![1]} stroke={color} stroke-width="2.5" />}
            <Marker look={look} x={point[0]} y={point[1]} size={4.5} />
          </g>
        ) : null,
      )}
    </>
  );
}

function Lines({ claim, figure, dots, wide, label }: Shown & { dots: boolean; wide: number; label: string }) {
  const above = wrapped(axisName(claim, figure.y), wide);
  const more = LINE * (above.length - 1);
  const frame = { wide, top: 30 + more, left: wide < 420 ? 50 : 58, bottom: (wide < 420 ? 220 : 262) + more };
  const { left, top, bottom } = frame;
  const x = xScale({ claim, figure }, frame);
  const drawn = looks(figure.series.map((series) => series.id));
  const all = figure.series.flatMap((s) => [...s.y, ...s.low, ...s.high]);
  const marks = figure.marks.filter((m) => m.axis === "y").map((m) => m.value);
  const [low, high] = extent([...all, ...marks], figure.y.log);
  const room = figure.y.log ? 0 : (high - low) * 0.05;
  const y = scale(low - room, high + room, bottom, top, { log: figure.y.log, percent: figure.y.percent });
  const many = figure.series.length;
  const each = figure.x.names.length ? (wide - left - RIGHT) / figure.x.names.length - 4 : 200;
  const below = Math.max(1, ...x.ticks.map((tick) => wrapped(tick.label, each).length));
  const name = wrapped(axisName(claim, figure.x), wide - left - RIGHT);
  return (
    <svg viewBox={`0 0 ${wide} ${bottom + 16 + 15 * below + LINE * name.length}`} role="img" aria-label={label}>
      <Axes x={x} y={y} frame={frame} name={name} room={each} />
      {above.map((line, i) => <text key={i} class="label" x={0} y={12 + LINE * i}>{line}</text>)}
      {figure.series.map((series, place) => {
        const look = drawn[place]!;
        const color = `var(--arm-${look.color})`;
        const [middle, down, up] = [series.y, series.low, series.high].map((values) => points(series, x, y, values)) as [(Point | null)[], (Point | null)[], (Point | null)[]];
        if (dots) {
          return (
            <g key={series.id} transform={`translate(${(place - (many - 1) / 2) * 9} 0)`}>
              <Dots middle={middle} down={down} up={up} color={color} look={look} />
            </g>
          );
        }
        return (
          <g key={series.id}>
            {series.low.length > 0 && <path d={bandPath(down, up)} fill={color} opacity="0.16" />}
            <path d={path(middle)} fill="none" stroke={color} stroke-width="2.5" stroke-dasharray={look.dash.join(" ")} stroke-linejoin="round" />
            {middle.length <= 16 && middle.map((p, i) => (p ? <Marker key={i} look={look} x={p[0]} y={p[1]} size={3.5} /> : null))}
          </g>
        );
      })}
      <Marks claim={claim} figure={figure} x={x} y={y} frame={frame} />
    </svg>
  );
}

// The numbers of a figure, for those who would rather read them.
function Numbers({ claim, figure }: Shown) {
  const xs = [...new Set(figure.series.flatMap((s) => s.x.filter((v) => v !== null)))].sort((a, b) => a - b);
  const every = Math.ceil(xs.length / 14);
  const some = xs.filter((_, i) => i % every === 0 || i === xs.length - 1);
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{axisName(claim, figure.x)}</th>
            {figure.series.map((s) => <th scope="col" key={s.id}>{named(claim, s.id, s.name)}</th>)}
          </tr>
        </thead>
        <tbody>
          {some.map((v) => (
            <tr key={v}>
              <th scope="row">{levelName(claim, figure.x, v)}</th>
              {figure.series.map((s) => {
                const i = s.x.indexOf(v);
                const value = i < 0 ? null : s.y[i];
                return <td key={s.id}>{value === null || value === undefined ? "–" : shown(value, figure.y.percent)}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Figure({ claim, figure, trials, count }: Shown & { trials: TrialShown[]; count?: number }) {
  const [box, wide] = useWide<HTMLDivElement>();
  const [title, says] = figureWords(claim, figure);
  const drawn = looks(figure.series.map((series) => series.id));
  const arms = figure.series.map((series, i) => ({ id: series.id, name: named(claim, series.id, series.name), look: drawn[i]! }));
  return (
    <figure class="figure">
      <figcaption>
        <strong>{title}</strong>
        <span>{says}</span>
      </figcaption>
      <div ref={box}>
        {figure.kind !== "strips" ? <Lines claim={claim} figure={figure} dots={figure.kind === "dots"} wide={wide} label={`${title}. ${says}`} /> : ofLayers(figure) ? <Windows claim={claim} figure={figure} wide={wide} /> : <Strips claim={claim} figure={figure} wide={wide} label={`${title}. ${says}`} />}
      </div>
      {figure.kind !== "strips" && arms.length > 1 && <Key arms={arms} />}
      <Drawn trials={trials} count={count} />
      <details>
        <summary>{t("chart.numbers")}</summary>
        <Numbers claim={claim} figure={figure} />
      </details>
    </figure>
  );
}

// How each arm is drawn, the same everywhere: colour, dash and marker say the same thing thrice.

import { said } from "../words/said";

export interface Look {
  color: string; // a custom property of styles.css, which has one value for light and one for dark
  dash: number[];
  mark: "circle" | "square" | "diamond" | "triangle" | "cross" | "ring";
}

const LOOKS: Look[] = [
  { color: "--arm-0", dash: [7, 4], mark: "circle" },
  { color: "--arm-1", dash: [], mark: "square" },
  { color: "--arm-2", dash: [2, 3], mark: "diamond" },
  { color: "--arm-3", dash: [9, 3, 2, 3], mark: "triangle" },
  { color: "--arm-4", dash: [4, 2], mark: "cross" },
  { color: "--arm-5", dash: [12, 4], mark: "ring" },
];

const NAMED: { [name: string]: number } = {
  "no normalization": 0,
  none: 0,
  "batch norm": 1,
  batch: 1,
  "layer norm": 2,
  layer: 2,
  "group norm": 3,
  group: 3,
  "RMS norm": 4,
  rms: 4,
};

export function look(name: string, place: number): Look {
  return LOOKS[(NAMED[name] ?? place) % LOOKS.length]!;
}

export function colorOf(element: Element, one: Look): string {
  return getComputedStyle(element).getPropertyValue(one.color).trim();
}

export function Marker({ one, x, y, size = 4 }: { one: Look; x: number; y: number; size?: number }) {
  const paint = { fill: `var(${one.color})`, stroke: `var(${one.color})` };
  const s = size;
  switch (one.mark) {
    case "square":
      return <rect x={x - s} y={y - s} width={2 * s} height={2 * s} {...paint} />;
    case "diamond":
      return <path d={`M${x} ${y - s * 1.3}L${x + s * 1.3} ${y}L${x} ${y + s * 1.3}L${x - s * 1.3} ${y}Z`} {...paint} />;
    case "triangle":
      return <path d={`M${x} ${y - s * 1.2}L${x + s * 1.2} ${y + s}L${x - s * 1.2} ${y + s}Z`} {...paint} />;
    case "cross":
      return <path d={`M${x - s} ${y - s}L${x + s} ${y + s}M${x - s} ${y + s}L${x + s} ${y - s}`} {...paint} stroke-width="2" />;
    case "ring":
      return <circle cx={x} cy={y} r={s} {...paint} fill="none" stroke-width="2" />;
    default:
      return <circle cx={x} cy={y} r={s} {...paint} />;
  }
}

export function Key({ names }: { names: string[] }) {
  return (
    <ul class="key">
      {names.map((name, place) => {
        const one = look(name, place);
        return (
          <li key={name}>
            <svg width="34" height="12" aria-hidden="true">
              <line x1="1" x2="33" y1="6" y2="6" stroke={`var(${one.color})`} stroke-width="2.5" stroke-dasharray={one.dash.join(" ")} />
              <Marker one={one} x={17} y={6} size={3} />
            </svg>
            {said(name)}
          </li>
        );
      })}
    </ul>
  );
}

// Markers, and the key of a chart: which line is whose.

import { shapeOf, type Look } from "./looks";

const DRAWN = 3.6; // half the size at which the markers' paths are drawn

export function Marker({ look, x, y, size = 4 }: { look: Look; x: number; y: number; size?: number }) {
  const color = `var(--arm-${look.color})`;
  return <path d={`M0 0${shapeOf(look)}`} transform={`translate(${x} ${y}) scale(${size / DRAWN})`} fill={look.hollow ? "var(--sheet)" : color} stroke={color} stroke-width={look.hollow ? 1.6 : 0.5} />;
}

export interface Named {
  id: string;
  name: string;
  look: Look;
}

export function Key({ arms }: { arms: Named[] }) {
  return (
    <ul class="key">
      {arms.map(({ id, name, look }) => (
        <li key={id}>
          <svg width="34" height="12" aria-hidden="true">
            <line x1="1" x2="33" y1="6" y2="6" stroke={`var(--arm-${look.color})`} stroke-width="2.5" stroke-dasharray={look.dash.join(" ")} />
            <Marker look={look} x={17} y={6} size={3} />
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}

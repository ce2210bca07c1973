// Knobs that anyone can turn: with a pointer, a finger or the keyboard.

import { useId } from "preact/hooks";

import { written } from "../words";

export function Slider(props: {
  label: string;
  value: number;
  min: number;
  max: number;
  step: number;
  shown?: string;
  change: (value: number) => void;
}) {
  const id = useId();
  return (
    <div class="knob">
      <label for={id}>{props.label}</label>
      <input id={id} type="range" min={props.min} max={props.max} step={props.step} value={props.value} aria-valuetext={props.shown ?? `${props.value}`} onInput={(event) => props.change(+event.currentTarget.value)} />
      <output for={id}>{props.shown ?? written(props.value)}</output>
    </div>
  );
}

export function Choose<T extends string | number>(props: { label: string; value: T; options: { value: T; label: string }[]; change: (value: T) => void }) {
  const id = useId();
  return (
    <div class="knob">
      <label for={id}>{props.label}</label>
      <select id={id} value={`${props.value}`} onChange={(event) => props.change(props.options[event.currentTarget.selectedIndex]!.value)}>
        {props.options.map((option) => (
          <option key={`${option.value}`} value={`${option.value}`}>{option.label}</option>
        ))}
      </select>
    </div>
  );
}

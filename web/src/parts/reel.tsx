// A film of what was over within a second: it plays by itself, slower than it happened, and a
// slider goes through it. Whoever prefers no motion gets the last picture and the same slider.

import { useEffect, useRef, useState } from "preact/hooks";

import type { Run } from "../live/run";
import { t } from "../words";
import { Slider } from "./knobs";

const PAUSE = 120; // milliseconds between two pictures

export interface Film {
  at: number; // which picture is shown
  last: number;
  playing: boolean;
  play: (on: boolean) => void;
  show: (at: number) => void;
}

// `last` is the place of the newest picture so far, −1 while there is none.
export function useFilm(run: Run | null, last: number): Film {
  const [at, show] = useState(Infinity);
  const [playing, play] = useState(false);
  const seen = useRef(run);
  const newest = useRef(last);
  newest.current = last;
  useEffect(() => {
    if (seen.current === run) return;
    seen.current = run;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    show(calm ? Infinity : 0);
    play(!calm);
  }, [run]);
  useEffect(() => {
    if (!playing || !run) return;
    const timer = setInterval(() => show((place) => Math.min(place + 1, Math.max(0, newest.current))), PAUSE);
    return () => clearInterval(timer);
  }, [playing, run]);
  const over = !run?.busy;
  useEffect(() => {
    if (playing && over && at >= last) play(false);
  }, [playing, over, at, last]);
  return { at: Math.min(at, last), last, playing, play, show };
}

export function Reel({ film, shown }: { film: Film; shown: string }) {
  const { at, last, playing, play, show } = film;
  return (
    <div class="reel">
      <button type="button" onClick={() => { if (!playing && at === last) show(0); play(!playing); }}>{t(playing ? "layers.pause" : "layers.play")}</button>
      <Slider label={t("layers.step")} min={0} max={last} step={1} value={at} shown={shown} change={(v) => { play(false); show(v); }} />
    </div>
  );
}

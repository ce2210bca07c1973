// One live experiment: Start, the run as it goes, and the verdict when it is there.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { Figure } from "../charts/figure";
import { digits } from "../charts/scale";
import { ofLayers } from "../charts/windows";
import { loadJson } from "../engine/load";
import { fileAt } from "../live/files";
import { live } from "../live/live";
import { Run, type Settings } from "../live/run";
import { useConnection, useRun } from "../live/use";
import type { Recorded, Verdict } from "../made/messages";
import { memory } from "../memory";
import { Give } from "../room/give";
import { room } from "../room/room";
import { currentLanguage, t, tt } from "../words";
import { Judged } from "./choice";
import { elsewhere, factsOf, happened } from "./happened";
import { Text } from "./prose";
import { belongs, next } from "./settings";

const ANSWERS: { [answer in Verdict["answer"]]: { sign: string; name: string } } = {
  holds: { sign: "✓", name: "holds" },
  "holds in part": { sign: "◐", name: "part" },
  "does not hold": { sign: "✗", name: "fails" },
  "cannot tell": { sign: "?", name: "unclear" },
};

export function answerName(answer: Verdict["answer"]): string {
  return tt(`answer.${ANSWERS[answer].name}`);
}

export interface Experiment {
  name: string;
  settings: Settings; // as they are dialled in now
  run: Run | null;
  stale: boolean; // the run belongs to other settings
  start: () => Settings | null; // what is asked for; nothing while a run is on
  stop: () => void;
  replay: () => Promise<void>;
}

// Runs outlive the page they were started on, so that going back shows them again.
const latest = new Map<string, Run>();

// The learner's own result from before the page was loaded.
function kept(name: string): Run | null {
  const found = memory.get("results")[name];
  return found ? Run.of(name, { ...found, layers: [] }, { of: "kept", when: found.when, machine: "" }) : null;
}

const KEPT_TRIALS = 60;

export function useExperiment(name: string, settings: Settings, chapter = name): Experiment {
  const [run, setRun] = useState<Run | null>(() => latest.get(name) ?? kept(name));
  useRun(run);
  const saved = useRef<Run | null>(null);
  useEffect(() => {
    if (run?.status !== "done" || !run.result || run.origin || saved.current === run) return;
    saved.current = run;
    const { statement, verdict, claim } = run.result;
    memory.put("results", name, {
      result: { claim, statement, verdict: { ...verdict, tables: [] } },
      facts: factsOf(name, run.result),
      settings: run.settings,
      trials: [...run.trials].sort((a, b) => +(b.phase === "measuring") - +(a.phase === "measuring")).slice(0, KEPT_TRIALS),
      count: run.trials.length,
      when: new Date().toISOString(),
    });
  }, [run?.version]);
  const show = (other: Run) => {
    if (run) live.stop(run);
    latest.set(name, other);
    setRun(other);
  };
  return {
    name,
    settings,
    run,
    stale: run !== null && !belongs(run, settings),
    async replay() {
      const { machine, ...file } = (await loadJson(fileAt(`recorded/${name}.json`))) as Recorded;
      show(Run.of(name, file, { of: "recorded", when: file.when, machine }));
    },
    start() {
      if (latest.get(name)?.busy) return null;
      const asked = next(run, settings, memory.get("pair"));
      const begun = live.start(chapter, asked);
      begun.listen(() => room.found(name, begun)); // wherever the learner is by then
      show(begun);
      return asked;
    },
    stop() {
      if (run) live.stop(run);
    },
  };
}

// True once a run takes so long, or the training process stays away so long, that a recorded one
// helps.
function useSlow(waiting: boolean): boolean {
  const state = useConnection();
  const away = state !== "ready";
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    setSlow(state === "unable");
    if ((!waiting && !away) || state === "unable") return;
    const timer = setTimeout(() => setSlow(true), 20_000);
    return () => clearTimeout(timer);
  }, [waiting, state]);
  return slow;
}

// Start and Stop, and how far it has come. Start stays where it is while a run is on, though it does
// nothing then: a button that goes away or is disabled takes the focus with it.
export function Controls(props: { experiment: Experiment; locked?: boolean; label?: string; started?: (settings: Settings) => void }) {
  const { run, stale, start, stop, replay, name } = props.experiment;
  const connection = useConnection();
  const waiting = run?.busy ?? false;
  const button = useRef<HTMLButtonElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const progress = run?.progress;
  const slow = useSlow(waiting) && name !== "bench";
  const [lost, setLost] = useState(""); // why a recorded run cannot be shown
  const off = props.locked || waiting || connection === "unable";
  const focusStart = () => button.current?.focus();
  const begin = () => {
    const asked = off ? null : start();
    if (!asked) return;
    props.started?.(asked);
    // What is to be watched stands below: on most screens it would be out of sight.
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    box.current?.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  };
  // Whoever waited here for the verdict is taken to it.
  const was = useRef(waiting);
  useEffect(() => {
    if (was.current && run?.status === "done" && box.current?.contains(document.activeElement)) verdictOf(box.current)?.focus();
    was.current = waiting;
  }, [waiting, run?.status]);
  return (
    <div class="controls" ref={box}>
      <button type="button" class="primary" ref={button} aria-disabled={off} onClick={begin} aria-describedby={props.locked ? "start-note" : undefined}>
        {run && !waiting && !stale ? t("run.again") : (props.label ?? t("run.start"))}
      </button>
      {!props.locked && (!run || waiting) && slow && (
        <button type="button" class="quiet-button" onClick={() => void replay().then(focusStart, (error: unknown) => setLost(String(error)))}>
          {t("run.recorded")}
        </button>
      )}
      {waiting && (
        <button type="button" onClick={() => { stop(); focusStart(); }}>
          {t("run.stop")}
        </button>
      )}
      <div class="progress" role="status">
        {props.locked && <span id="start-note">{t("run.predict")}</span>}
        {connection !== "ready" && <span>{tt(`state.${connection}`, { why: live.why })}</span>}
        {waiting && connection === "compiling" && <progress aria-label={t("state.compiling")} />}
        {waiting && progress && progress.total > 0 && (
          <>
            <progress max={progress.total} value={howFar(run)} aria-label={t("run.progress")} />
            <span class="quiet">{t("run.done", { done: progress.done, total: progress.total })}</span>
          </>
        )}
        {lost && <span class="failed">{t("run.failed", { why: lost })}</span>}
        {run?.status === "failed" && <span class="failed">{t("run.failed", { why: run.error })}</span>}
        {run?.status === "stopped" && <span class="quiet">{t("run.stopped")}</span>}
      </div>
    </div>
  );
}

// How many runs' worth has been trained: they grow side by side, and few end before the last.
export function howFar(run: Run): number {
  const { phase, done, total } = run.progress!;
  const share = run.trials.reduce((sum, trial, i) => {
    if (trial.phase !== phase) return sum;
    return sum + (run.ended.has(i) ? 1 : (run.curves[i]?.step.at(-1) ?? 0) / trial.steps);
  }, 0);
  return Math.max(done, Math.min(total, share));
}

// The heading of the verdict that stands below these controls.
function verdictOf(controls: HTMLElement): HTMLElement | null {
  return controls.parentElement?.querySelector<HTMLElement>(".verdict h3") ?? null;
}

// Everything that a run shows; what belongs to other settings than those above says so.
export function Shown({ experiment, children }: { experiment: Experiment; children: ComponentChildren }) {
  return (
    <div class={experiment.stale ? "shown stale" : "shown"}>
      <p class="other-settings" role="status">{experiment.stale && t("run.stale")}</p>
      {children}
    </div>
  );
}

function Origin({ run }: { run: Run }) {
  if (!run.origin) return null;
  const { of, when, machine } = run.origin;
  if (of === "recorded") return <p class="recorded">{t("run.was-recorded", { when, machine })}</p>;
  return <p class="quiet">{t("run.was-kept", { when: new Date(when).toLocaleString(currentLanguage()) })}</p>;
}

// The verdict in words made from the numbers, its figures, and what stands behind them.
export function VerdictCard({ run, name }: { run: Run | null; name: string }) {
  useRun(run);
  if (!run?.result) return null;
  const { claim, verdict } = run.result;
  const { sign, name: kind } = ANSWERS[verdict.answer];
  const [first, ...others] = [...verdict.figures].sort((a, b) => +ofLayers(b) - +ofLayers(a)); // a picture first
  const diverged = [...run.ended.values()].filter((end) => end.how === "diverged").length;
  return (
    <section class={`card verdict ${kind}`} aria-live="polite">
      <h3 tabIndex={-1}>
        <span class="badge" aria-hidden="true">{sign}</span>
        <span>
          {t("verdict.title")} {tt(`record.claim.${name}`)} <em>{answerName(verdict.answer)}</em>
        </span>
      </h3>
      <Origin run={run} />
      <Judged id={name} result={run.result} />
      <Text words={happened(name, verdict.answer, factsOf(name, run.result)) + elsewhere(name)} />
      <Give name={name} run={run} />
      {first && <Figure claim={claim} figure={first} trials={run.trials} count={run.count} />}
      {others.length > 0 && (
        <details class="others">
          <summary>{t("verdict.others", { n: others.length })}</summary>
          {others.map((figure) => (
            <Figure claim={claim} figure={figure} trials={run.trials} count={run.count} key={figure.id} />
          ))}
        </details>
      )}
      {diverged > 0 && <p class="quiet">{t("verdict.diverged", { n: diverged, of: run.trials.length })}</p>}
      <Behind run={run} />
    </section>
  );
}

// The report's own words, in English.
export function Behind({ run }: { run: Run }) {
  const { verdict, statement } = run.result!;
  return (
    <details class="behind">
      <summary>{t("verdict.behind")}</summary>
      {currentLanguage() !== "en" && <p class="quiet">{t("verdict.english")}</p>}
      <dl lang="en">
        <dt>{t("verdict.report")}</dt><dd>{verdict.sentence}</dd>
        <dt>{t("verdict.question")}</dt><dd>{statement.question}</dd>
        <dt>{t("verdict.measure")}</dt><dd>{statement.measure}</dd>
        <dt>{t("verdict.fairness")}</dt><dd>{statement.fairness}</dd>
        <dt>{t("verdict.rule")}</dt><dd>{statement.rule}</dd>
        <dt>{t("verdict.setting")}</dt><dd>{verdict.measured_on}</dd>
        {verdict.effects.map((effect) => (
          <>
            <dt>{effect.label || t("verdict.effect")}</dt>
            <dd>{`${effect.bound} ${digits(effect.value ?? Infinity, 3)} ${effect.unit} [${digits(effect.low ?? -Infinity, 3)} to ${digits(effect.high ?? Infinity, 3)}]`}</dd>
          </>
        ))}
        {verdict.notes.length > 0 && (
          <>
            <dt>{t("verdict.notes")}</dt>
            <dd>{verdict.notes.join(" ")}</dd>
          </>
        )}
        {verdict.change && (
          <>
            <dt>{t("verdict.change")}</dt>
            <dd>{verdict.change}</dd>
          </>
        )}
        <dt>{t("verdict.source")}</dt><dd>{statement.source}</dd>
      </dl>
    </details>
  );
}

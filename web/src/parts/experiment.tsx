// One live experiment: Start, the run as it goes, and the verdict when it is there.

import { useEffect, useRef, useState } from "preact/hooks";

import { Figure } from "../charts/figure";
import type { Verdict } from "../charts/exhibits";
import { digits } from "../charts/scale";
import { live, Run, type Layers, type TrialShown } from "../live/live";
import { useConnection, useRun } from "../live/use";
import { memory, type Result } from "../memory";
import { currentLanguage, t, tt } from "../words";
import { factsOf, happened } from "./happened";
import { inline, Text } from "./prose";

const SIGNS: { [answer: string]: string } = { holds: "✓", "holds in part": "◐", "does not hold": "✗", "cannot tell": "?" };
const NAMES: { [answer: string]: string } = { holds: "holds", "holds in part": "part", "does not hold": "fails", "cannot tell": "unclear" };

export function answerName(answer: string): string {
  return tt(`answer.${NAMES[answer] ?? "unclear"}`);
}

export interface Experiment {
  name: string;
  run: Run | null;
  start: (settings: object) => void;
  stop: () => void;
  replay: () => Promise<void>;
}

// Runs outlive the page they were started on, so that going back shows them again.
const latest = new Map<string, Run>();

export function useExperiment(name: string, chapter = name): Experiment {
  const [run, setRun] = useState<Run | null>(latest.get(name) ?? null);
  useRun(run);
  const kept = useRef("");
  useEffect(() => {
    if (run?.status === "done" && run.verdict && !run.recorded && kept.current !== `${run.ask}`) {
      kept.current = `${run.ask}`;
      const { answer, sentence, effects, measured_on } = run.verdict;
      const result: Result = {
        answer,
        sentence,
        effects,
        facts: factsOf(name, run.verdict),
        measuredOn: measured_on,
        settings: run.settings,
        keys: run.trials.map((trial) => trial.key),
        when: new Date().toISOString(),
      };
      memory.put("results", name, result);
    }
  }, [run?.version]);
  return {
    name,
    run,
    async replay() {
      const answer = await fetch(`/recorded/${name}.json`);
      if (!answer.ok) return;
      if (run && busy(run)) live.stop(run);
      const shown = recordedRun(name, await answer.json());
      latest.set(name, shown);
      setRun(shown);
    },
    start(settings) {
      if (run && (run.status === "running" || run.status === "waiting")) live.stop(run);
      const next = live.start(chapter, settings);
      latest.set(name, next);
      setRun(next);
    },
    stop() {
      if (run) live.stop(run);
    },
  };
}

interface RecordedFile {
  when: string;
  machine: string;
  settings: object;
  verdict: Verdict;
  trials: TrialShown[];
  count: number; // of all trials; only the first are kept
  layers: Layers[];
}

// A run that was trained elsewhere before: it looks like one that has ended, and says so.
function recordedRun(name: string, file: RecordedFile): Run {
  const made: Run = new Run(-1, name, file.settings, () => made.tell());
  made.status = "done";
  made.verdict = file.verdict;
  made.trials = file.trials;
  made.count = file.count;
  made.layers = file.layers;
  made.recorded = { when: file.when, machine: file.machine };
  return made;
}

export function busy(run: Run | null): boolean {
  return run?.status === "running" || run?.status === "waiting";
}

// True once a run takes so long, or the training process stays away so long, that a recorded one
// helps.
function useSlow(waiting: boolean): boolean {
  const away = useConnection() !== "ready";
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    setSlow(false);
    if (!waiting && !away) return;
    const timer = setTimeout(() => setSlow(true), 20_000);
    return () => clearTimeout(timer);
  }, [waiting, away]);
  return slow;
}

// Start and Stop, and how far it has come.
export function Controls(props: { experiment: Experiment; settings: object; locked?: boolean; label?: string }) {
  const { run, start, stop, replay, name } = props.experiment;
  const connection = useConnection();
  const waiting = busy(run);
  const round = run?.round;
  const slow = useSlow(waiting) && name !== "bench";
  return (
    <div class="controls">
      <button type="button" class="primary" disabled={props.locked || waiting} onClick={() => start(props.settings)} aria-describedby="start-note">
        {run && !waiting ? t("run.again") : (props.label ?? t("run.start"))}
      </button>
      {!props.locked && (!run || waiting) && slow && (
        <button type="button" class="quiet-button" onClick={() => void replay()}>
          {t("run.recorded")}
        </button>
      )}
      {waiting && (
        <button type="button" onClick={stop}>
          {t("run.stop")}
        </button>
      )}
      <div class="progress" role="status">
        {props.locked && <span id="start-note">{t("run.predict")}</span>}
        {connection !== "ready" && <span>{tt(`state.${connection}`)}</span>}
        {waiting && connection === "compiling" && <progress aria-label={t("state.compiling")} />}
        {waiting && round && round.total > 0 && (
          <>
            <progress max={round.total} value={round.done} aria-label={t("run.progress")} />
            <span class="quiet">{t("run.done", { done: round.done, total: round.total })}</span>
          </>
        )}
        {run?.status === "failed" && <span class="failed">{t("run.failed", { why: run.error })}</span>}
        {run?.status === "stopped" && <span class="quiet">{t("run.stopped")}</span>}
      </div>
    </div>
  );
}

// The verdict in words made from the numbers, its figures, and what stands behind them.
export function VerdictCard({ run, name, id }: { run: Run | null; name: string; id: string }) {
  useRun(run);
  const verdict = run?.verdict;
  if (!run || !verdict) return null;
  const predicted = memory.get("predictions")[id];
  const diverged = [...run.ended.values()].filter((end) => end.how === "diverged").length;
  return (
    <section class={`card verdict ${NAMES[verdict.answer]}`} aria-live="polite">
      <h3>
        <span class="badge" aria-hidden="true">{SIGNS[verdict.answer]}</span>
        <span>
          {t("verdict.title")} {tt(`record.claim.${name}`)} <em>{answerName(verdict.answer)}</em>
        </span>
      </h3>
      {run.recorded && <p class="recorded">{t("run.was-recorded", run.recorded)}</p>}
      {predicted && <p class="predicted">{t("verdict.predicted")} {inline(tt(`${id}.predict.${predicted}`))}</p>}
      <Text words={happened(name, verdict.answer, factsOf(name, verdict))} />
      {verdict.figures.map((figure) => (
        <Figure figure={figure} trials={run.trials} count={run.count} key={figure.title} />
      ))}
      {diverged > 0 && <p class="quiet">{t("verdict.diverged", { n: diverged, of: run.trials.length })}</p>}
      <Behind run={run} />
    </section>
  );
}

export function Behind({ run }: { run: Run }) {
  const verdict = run.verdict!;
  const s = verdict.statement;
  return (
    <details class="behind">
      <summary>{t("verdict.behind")}</summary>
      {currentLanguage() !== "en" && <p class="quiet">{t("verdict.english")}</p>}
      <dl lang="en">
        <dt>{t("verdict.report")}</dt><dd>{verdict.sentence}</dd>
        <dt>{t("verdict.question")}</dt><dd>{s.question}</dd>
        <dt>{t("verdict.measure")}</dt><dd>{s.measure}</dd>
        <dt>{t("verdict.fairness")}</dt><dd>{s.fairness}</dd>
        <dt>{t("verdict.rule")}</dt><dd>{s.rule}</dd>
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
        <dt>{t("verdict.source")}</dt><dd>{s.source}</dd>
      </dl>
    </details>
  );
}

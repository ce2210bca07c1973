// A question with a few answers: as a prediction it locks, as a check it explains.

import { useId, useRef, useState } from "preact/hooks";

import type { Result } from "../made/messages";
import { memory, useMemory } from "../memory";
import { room } from "../room/room";
import { t, tt } from "../words";
import { PREDICTIONS, rightOf } from "./predictions";
import { inline } from "./prose";

// What the learner expects of an experiment. The names of its words and of what is kept are its own.
export function Prediction({ id }: { id: string }) {
  const { options } = PREDICTIONS[id]!;
  const kept = useMemory().get("predictions")[id];
  const [chosen, choose] = useState(kept ?? "");
  const name = useId();
  const locked = useRef<HTMLParagraphElement>(null);
  const lock = () => {
    memory.put("predictions", id, chosen);
    room.vote(id, chosen);
    // The button goes away: who pressed it goes on from what takes its place.
    requestAnimationFrame(() => locked.current?.focus());
  };
  return (
    <section class="prediction" aria-labelledby={`${name}-title`}>
      <h4 id={`${name}-title`}>{t("predict.title")}</h4>
      <fieldset disabled={Boolean(kept)}>
        <legend>{inline(tt(`${id}.predict`))}</legend>
        {options.map((option) => (
          <label key={option} class={(kept ?? chosen) === option ? "option chosen" : "option"}>
            <input type="radio" name={name} value={option} checked={(kept ?? chosen) === option} onChange={() => choose(option)} />
            <span>{inline(tt(`${id}.predict.${option}`))}</span>
          </label>
        ))}
      </fieldset>
      {kept ? (
        <p class="locked" tabIndex={-1} ref={locked}>{t("predict.locked")}</p>
      ) : (
        <button type="button" class="primary" disabled={!chosen} onClick={lock}>
          {t("predict.lock")}
        </button>
      )}
    </section>
  );
}

export function usePredicted(id: string): boolean {
  return Boolean(useMemory().get("predictions")[id]);
}

// Whether a result bears out what was expected of it: "open" if it settles nothing.
export function judge(id: string, expected: string, result: Result): "right" | "wrong" | "open" {
  const right = rightOf(id, result);
  // Another version of the page had other options.
  return right.length === 0 || !PREDICTIONS[id]!.options.includes(expected) ? "open" : right.includes(expected) ? "right" : "wrong";
}

// What was expected, what it was, and whether they agree; nothing if nothing was expected.
export function Judged({ id, result }: { id: string; result: Result }) {
  const expected = useMemory().get("predictions")[id];
  const { options } = PREDICTIONS[id]!;
  if (!expected || !options.includes(expected)) return null;
  const says = (option: string) => inline(tt(`${id}.predict.${option}`));
  const judged = judge(id, expected, result);
  return (
    <dl class={`predicted ${judged}`}>
      <dt>{t("verdict.predicted")}</dt>
      <dd>{says(expected)} <strong>{tt(`verdict.${judged}`)}</strong></dd>
      {judged === "wrong" && <><dt>{t("verdict.was")}</dt><dd>{says(rightOf(id, result)[0]!)}</dd></>}
    </dl>
  );
}

// The answers of a check in an order that does not tell which is right, the same every time.
export function mixed(id: string, options: string[]): string[] {
  const weight = (option: string) => [...`${id}.${option}`].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
  return [...options].sort((a, b) => (weight(a) % 997) - (weight(b) % 997));
}

export function Check({ id, options, right, title }: { id: string; options: string[]; right: string; title?: string }) {
  const kept = useMemory().get("answers")[id];
  const name = useId();
  return (
    <section class="card check" aria-labelledby={`${name}-title`}>
      <h3 id={`${name}-title`}>{title ?? t("check.title")}</h3>
      <fieldset>
        <legend>{inline(tt(`${id}.check`))}</legend>
        {mixed(id, options).map((option) => (
          <label key={option} class={kept === option ? "option chosen" : "option"}>
            <input type="radio" name={name} value={option} checked={kept === option} onChange={() => memory.put("answers", id, option)} />
            <span>{inline(tt(`${id}.check.${option}`))}</span>
          </label>
        ))}
      </fieldset>
      <p class={kept === right ? "feedback right" : "feedback"} aria-live="polite">
        {kept && (
          <>
            <strong>{kept === right ? t("check.right") : t("check.wrong")}</strong> {inline(tt(`${id}.check.${kept}.why`))}
          </>
        )}
      </p>
    </section>
  );
}

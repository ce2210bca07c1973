// What the pairs found of one experiment: a dot each, all together, and the answer to the claim.

import { useEffect, useState } from "preact/hooks";

import { CHAPTERS } from "../chapters";
import type { Verdict } from "../made/messages";
import type { Wall } from "../made/room";
import { answerName } from "../parts/experiment";
import { families, type Families } from "../protocol/experiments";
import { t, tt } from "../words";
import { Dots } from "./chart";
import { claimed, effectOf, FEWEST, settingsName, together } from "./seen";
import "./wall.css";

export const EXPERIMENTS = CHAPTERS.flatMap((chapter) => chapter.experiments.map((name) => ({ name, chapter })));

export function experimentName(name: string): string {
  const { chapter } = EXPERIMENTS.find((one) => one.name === name)!;
  const several = chapter.experiments.length > 1 ? `: ${tt(`${name}.tab`)}` : "";
  return `${CHAPTERS.indexOf(chapter) + 1} ${tt(`${chapter.id}.title`)}${several}`;
}

export function useFamilies(): Families | null {
  const [all, set] = useState<Families | null>(null);
  useEffect(() => void families().then(set), []);
  return all;
}

export function LookAt({ look, done, change }: { look: string; done: Wall["done"]; change: (look: string) => void }) {
  return (
    <label>
      {tt("wall.look")}
      <select value={look} onChange={(event) => change(event.currentTarget.value)}>
        {EXPERIMENTS.map(({ name }) => <option key={name} value={name}>{`${experimentName(name)}${done[name] ? ` (${done[name]})` : ""}`}</option>)}
      </select>
    </label>
  );
}

export function Settings({ groups, settings, change }: Pick<Wall, "groups" | "settings"> & { change: (settings: string) => void }) {
  if (groups.length < 2) return null;
  return (
    <label>
      {tt("wall.settings")}
      <select value={settings} onChange={(event) => change(event.currentTarget.value)}>
        {groups.map((group) => <option key={group.settings} value={group.settings}>{`${settingsName(group)} (${group.pairs})`}</option>)}
      </select>
    </label>
  );
}

// Pairs that are left out, to be counted again.
export function Out({ out, back }: { out: number[]; back: (pair: number) => void }) {
  return (
    <>
      {out.length > 0 && ` ${tt("wall.out")} `}
      {out.map((pair) => <button key={pair} type="button" class="quiet-button" onClick={() => back(pair)}>{tt("wall.back", { pair })}</button>)}
    </>
  );
}

type Seen = Pick<Wall, "look" | "groups" | "settings" | "dots" | "pooled" | "answer" | "done">;

export function Result({ seen, leave }: { seen: Seen; leave: (pair: number) => void }) {
  const rule = useFamilies()?.[seen.look]?.described.experiment.rule;
  const id = effectOf(seen.look);
  const { pooled } = seen;
  const known = pooled && pooled.value !== null;
  const answer = seen.answer as Verdict["answer"] | "";
  const says = known ? together(seen.look, pooled) : tt("wall.none");
  const touch = (pair: number) => {
    if (confirm(tt("wall.leave-out", { pair }))) leave(pair);
  };
  const group = seen.groups.find((one) => one.settings === seen.settings);
  return (
    <section class="found">
      <h2>{tt("wall.dots")}</h2>
      <p class="together" aria-live="polite">
        {known && pooled.pairs > 1 ? <>{tt("wall.together", { pairs: pooled.pairs })} <strong>{says}</strong></> : tt("wall.none")}
      </p>
      {answer !== "" && known && (
        <p class="answer">
          {pooled.pairs < FEWEST ? tt("wall.few", { least: FEWEST }) : <>{t("verdict.title")} {tt(`record.claim.${seen.look}`)} <em>{answerName(answer)}</em></>}
        </p>
      )}
      {seen.dots.length > 0 && <Dots dots={seen.dots} pooled={pooled} marks={rule ? claimed(rule, id) : []} says={says} touch={touch} />}
      {group && seen.groups.length > 1 && <p class="quiet">{tt("wall.with", { settings: settingsName(group), others: (seen.done[seen.look] ?? 0) - group.pairs })}</p>}
    </section>
  );
}

// The wall: for the projector, led by the teacher. What the class expects, a dot for each pair, and
// what all of them come to, against the claim.

import { useEffect, useReducer, useRef, useState } from "preact/hooks";

import { CHAPTERS } from "../chapters";
import type { Wall as Seen } from "../made/room";
import { inline } from "../parts/prose";
import { download } from "../parts/save";
import { currentLanguage, LANGUAGES, setLanguage, t, tt, useLanguage, type Language } from "../words";
import { Votes } from "./chart";
import { Link, secretOf } from "./link";
import { experimentName, LookAt, Out, Result, Settings } from "./result";
import { effectOf } from "./seen";

const lookAt = (look: string) => ({ look, effect: effectOf(look) });

function useLink(): Link {
  const [, again] = useReducer((n: number) => n + 1, 0);
  const link = useRef<Link>();
  link.current ??= new Link(secretOf(location, sessionStorage), again as () => void);
  useEffect(() => link.current!.open(), []);
  return link.current;
}

// How to join, for the last row.
function Way({ seen, large }: { seen: Seen; large: boolean }) {
  return (
    <section class={large ? "way-in large" : "way-in"} aria-label={tt("wall.join")}>
      <img src={seen.qr} alt="" />
      <p>
        <span class="address">{seen.address.replace(/^http:\/\/|\/$/g, "")}</span>
        <span>{tt("wall.code")} <strong class="code">{seen.code}</strong></span>
      </p>
    </section>
  );
}

function Leading({ link, seen }: { link: Link; seen: Seen }) {
  const [chapter, setChapter] = useState(seen.lead.chapter || CHAPTERS[0]!.id);
  return (
    <div class="leading">
      <label>
        {tt("wall.chapter")}
        <select value={chapter} onChange={(event) => setChapter(event.currentTarget.value)}>
          {CHAPTERS.map((one, i) => <option key={one.id} value={one.id}>{`${i + 1} ${tt(`${one.id}.title`)}`}</option>)}
        </select>
      </label>
      <button type="button" class="primary" onClick={() => {
        const first = CHAPTERS.find((one) => one.id === chapter)!.experiments[0];
        link.steer({ chapter, ...(first && lookAt(first)) });
      }}>{tt("wall.lead")}</button>
      <button type="button" aria-pressed={seen.lead.paused} onClick={() => link.steer({ paused: !seen.lead.paused })}>{tt(seen.lead.paused ? "wall.resume" : "wall.pause")}</button>
      <LookAt look={seen.look} done={seen.done} change={(look) => link.steer(lookAt(look))} />
      <button type="button" class="primary" aria-pressed={seen.shown} onClick={() => link.steer({ shown: !seen.shown })}>{tt(seen.shown ? "wall.cover" : "wall.show")}</button>
      <Settings groups={seen.groups} settings={seen.settings} change={(settings) => link.steer({ settings })} />
    </div>
  );
}

function Keeping({ link, seen, large, enlarge }: { link: Link; seen: Seen; large: boolean; enlarge: (large: boolean) => void }) {
  const save = async () => download("class.csv", "text/csv", (await link.table()).text);
  return (
    <div class="leading">
      <button type="button" aria-pressed={large} onClick={() => enlarge(!large)}>{tt("wall.large")}</button>
      <label>
        {tt("wall.door")}
        <select value={seen.door} onChange={(event) => link.steer({ door: event.currentTarget.value as Seen["door"] })}>
          {(["open", "shared", "closed"] as const).map((door) => <option key={door} value={door}>{tt(`wall.door.${door}`)}</option>)}
        </select>
      </label>
      <button type="button" onClick={() => print()}>{tt("wall.print")}</button>
      <button type="button" onClick={() => void save()}>{tt("wall.csv")}</button>
      {(Object.keys(LANGUAGES) as Language[]).map((code) => (
        <button key={code} type="button" lang={code} aria-pressed={currentLanguage() === code} onClick={() => void setLanguage(code)}>{LANGUAGES[code]}</button>
      ))}
      <span role="status" class="quiet">
        {tt("wall.pairs", { pairs: seen.pairs, here: seen.here })}
        {seen.refused > 0 && ` ${tt("wall.refused", { n: seen.refused })}`}
        <Out out={seen.out} back={(pair) => link.remove(pair, false)} />
      </span>
    </div>
  );
}

export function Wall() {
  useLanguage();
  const link = useLink();
  const [large, enlarge] = useState(false);
  const seen = link.wall;
  if (link.state === "denied") return <main class="wall"><p class="failed" role="alert">{tt("wall.denied")}</p></main>;
  if (!seen) return <main class="wall"><p role="status">{t("state.connecting")}</p></main>;
  const votes = Object.values(seen.votes).reduce((a, b) => a + b, 0);
  const covered = !seen.shown;
  return (
    <main class="wall">
      {link.state === "lost" && <p class="connection" role="status">{t("state.lost")}</p>}
      <header>
        <h1>{experimentName(seen.look)}</h1>
        <Way seen={seen} large={large} />
      </header>
      <p class="print-only">{new Date().toLocaleDateString(currentLanguage(), { dateStyle: "long" })}</p>
      <div class="both">
      <section class="expected">
        <h2>{inline(tt(`${seen.look}.predict`))}</h2>
        <p>{tt("wall.counts", { votes, results: seen.done[seen.look] ?? 0, of: seen.pairs - seen.out.length })}</p>
        {!covered && <Votes experiment={seen.look} votes={seen.votes} />}
      </section>
      {covered ? <p class="covered">{tt("wall.covered")}</p> : <Result seen={seen} leave={(pair) => link.remove(pair, true)} />}
      </div>
      <footer class="no-print">
        <Leading link={link} seen={seen} />
        <Keeping link={link} seen={seen} large={large} enlarge={enlarge} />
      </footer>
    </main>
  );
}

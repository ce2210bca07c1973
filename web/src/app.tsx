// The page: a way through the chapters, and the tools that are always at hand.

import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { CHAPTERS } from "./chapters";
import type { ChapterShown } from "./chapters/chapter";
import { Workbench } from "./chapters/bench";
import { server, trainers } from "./live/files";
import { live } from "./live/live";
import { useConnection } from "./live/use";
import { PAIRS } from "./made/room";
import { memory, useMemory } from "./memory";
import { Check } from "./parts/choice";
import { atLevel, marker } from "./parts/glossary";
import { Levelled, Text } from "./parts/prose";
import { Trust } from "./parts/trust";
import { Join, Paused, Place, usePaused } from "./room/join";
import { classHere } from "./room/room";
import { currentLanguage, LANGUAGES, setLanguage, t, tt, useLanguage, type Language } from "./words";

function usePlace(): string {
  const read = () => location.hash.replace(/^#\/?/, "").split("?")[0] || "home";
  const [place, setPlace] = useState(read());
  useEffect(() => {
    const listener = () => setPlace(read());
    addEventListener("hashchange", listener);
    return () => removeEventListener("hashchange", listener);
  }, []);
  return place;
}

function Tools() {
  const level = useMemory().get("level");
  return (
    <div class="tools">
      <div class="switch" role="group" aria-label={t("level.title")}>
        {(["cookie", "maths"] as const).map((one) => (
          <button key={one} type="button" aria-pressed={level === one} onClick={() => memory.set("level", one)}>
            {t(`level.${one}`)}
          </button>
        ))}
      </div>
      <div class="switch" role="group" aria-label={t("language.title")}>
        {(Object.keys(LANGUAGES) as Language[]).map((code) => (
          <button key={code} type="button" lang={code} aria-pressed={currentLanguage() === code} onClick={() => void setLanguage(code)}>
            {LANGUAGES[code]}
          </button>
        ))}
      </div>
    </div>
  );
}

// Who trains: where a server is, it can be asked to, too.
function Trainer() {
  useConnection();
  if (trainers() !== "both") return null;
  return (
    <div class="switch" role="group" aria-label={t("trainer.title")}>
      {(["computer", "device"] as const).map((one) => (
        <button key={one} type="button" aria-pressed={live.where === one} onClick={() => { if (live.where !== one) { if (one === "device") live.train(); else live.open(server()); } }}>
          {t(`trainer.${one}`)}
        </button>
      ))}
    </div>
  );
}

function Way({ place }: { place: string }) {
  const visited = useMemory().get("visited");
  const list = useRef<HTMLOListElement>(null);
  // On a phone the row is longer than the screen: show where we are.
  useEffect(() => {
    const row = list.current!;
    const here = row.querySelector<HTMLElement>("[aria-current]");
    row.scrollLeft = here ? here.offsetLeft - row.offsetLeft - row.clientWidth / 2 : 0;
  }, [place]);
  return (
    <nav class="way" aria-label={t("way.title")}>
      <ol ref={list}>
        {CHAPTERS.map((chapter, i) => (
          <li key={chapter.id}>
            <a href={`#/${chapter.id}`} aria-current={place === chapter.id ? "page" : undefined} class={visited.includes(chapter.id) ? "visited" : ""} title={tt(`${chapter.id}.title`)}>
              <span aria-hidden="true">{i + 1}</span>
              <span class="name">{tt(`${chapter.id}.title`)}</span>
            </a>
          </li>
        ))}
        <li>
          <a href="#/bench" class="other" aria-current={place === "bench" ? "page" : undefined}>{t("way.bench")}</a>
        </li>
        <li>
          <a href="#/teacher" class="other" aria-current={place === "teacher" ? "page" : undefined}>{t("way.teacher")}</a>
        </li>
      </ol>
    </nav>
  );
}

function HomeScene() {
  const uneven = [58, 22, 74, 38, 14];
  return (
    <svg viewBox="0 0 640 180" class="scene hero" role="img" aria-label={t("home.scene")}>
      <path d="M16 160H624" class="ground" />
      {uneven.map((high, i) => (
        <g key={i} transform={`translate(${38 + i * 38} 160)`}>
          <rect x="-15" y={-high} width="30" height={high} rx="5" class={i % 2 ? "sack flour" : "sack sugar"} />
        </g>
      ))}
      <g transform="translate(302 104)">
        <rect x="-66" y="-62" width="132" height="118" rx="20" class="robot robot-1" />
        <circle cx="-22" cy="-32" r="9" class="eye" />
        <circle cx="22" cy="-32" r="9" class="eye" />
        <path d="M-18 -10q18 14 36 0" class="mouth" />
        <path d="M0 -62v-16" class="line" />
        <circle cy="-84" r="7" class="bulb" />
        <circle cx="-26" cy="28" r="12" class="knob-dot" /><path d="M-26 28l6 -8" class="line" />
        <circle cx="26" cy="28" r="12" class="knob-dot" /><path d="M26 28l-7 -7" class="line" />
      </g>
      {[0, 1, 2, 3, 4].map((i) => (
        <g key={i} transform={`translate(${412 + i * 46} 138)`}>
          <circle r="20" class="cookie" />
          <circle cx="-7" cy="-6" r="3" class="chip" />
          <circle cx="7" cy="-3" r="3" class="chip" />
          <circle cx="-1" cy="8" r="3" class="chip" />
        </g>
      ))}
    </svg>
  );
}

function Home() {
  const pair = useMemory().get("pair");
  const minutes = CHAPTERS.reduce((sum, chapter) => sum + chapter.minutes, 0);
  return (
    <div class="home">
      <h1 class="lead" tabIndex={-1}>{t("home.lead")}</h1>
      <HomeScene />
      <Join />
      <Levelled k="home.story" />
      <a class="button primary" href={`#/${CHAPTERS[0]!.id}`}>{t("home.start")}</a>
      <h2>{t("home.chapters", { minutes })}</h2>
      <ol class="contents">
        {CHAPTERS.map((chapter) => (
          <li key={chapter.id}>
            <a href={`#/${chapter.id}`}>
              <strong>{tt(`${chapter.id}.title`)}</strong>
              <span>{tt(`${chapter.id}.brief`)}</span>
              <span class="quiet">{t("minutes", { n: chapter.minutes })}</span>
            </a>
          </li>
        ))}
      </ol>
      {!classHere() && (
        <label class="pair-number">
          {t("home.pair")}
          <input type="number" min={0} max={PAIRS} value={pair || ""} onInput={(event) => memory.set("pair", Math.max(0, Math.min(PAIRS, Math.round(+event.currentTarget.value || 0))))} />
        </label>
      )}
      <p class="quiet">{t(classHere() ? "room.private" : "home.private")}</p>
    </div>
  );
}

function ChapterPage({ chapter, place }: { chapter: ChapterShown; place: number }) {
  const { id, Scene, Touch, Experiment } = chapter;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    scrollTo({ top: 0 });
    const visited = memory.get("visited");
    if (!visited.includes(id)) memory.set("visited", [...visited, id]);
  }, [id]);
  // The explanation would give the result away.
  const kept = useMemory();
  const results = kept.get("results");
  const known = chapter.experiments.every((name, i) => i > 0 || name in results);
  const next = CHAPTERS[place + 1];
  const before = CHAPTERS[place - 1];
  const mark = marker();
  const passage = (part: string) => <Text words={mark(atLevel(`${id}.${part}`, kept.get("level")))} />; // in the order of the page
  return (
    <article class="chapter">
      <header>
        <p class="quiet">{t("chapter.number", { n: place + 1, of: CHAPTERS.length, minutes: chapter.minutes })}</p>
        <h1 tabIndex={-1} ref={heading}>{tt(`${id}.title`)}</h1>
      </header>
      {Scene && <Scene />}
      <section class="story">{passage("story")}</section>
      {Touch && <section class="card touch"><h3>{tt(`${id}.touch.title`)}</h3>{passage("touch")}<Touch /></section>}
      {Experiment && <section class="card experiment"><h3>{tt(`${id}.experiment.title`)}</h3>{passage("experiment")}<Experiment /></section>}
      <details class="explain" open={known}><summary><h2>{t("chapter.explain")}</h2></summary>{passage("explain")}</details>
      {chapter.check.options.length > 0 && <Check id={id} options={chapter.check.options} right={chapter.check.right} />}
      <nav class="onward" aria-label={t("way.onward")}>
        {before ? <a href={`#/${before.id}`}>← {tt(`${before.id}.title`)}</a> : <a href="#/home">← {t("way.home")}</a>}
        {next && <a class="button primary" href={`#/${next.id}`}>{tt(`${next.id}.title`)} →</a>}
      </nav>
    </article>
  );
}

// A part of the page that learners do not wait for.
function Later({ load }: { load: () => Promise<ComponentType> }) {
  const [Part, set] = useState<ComponentType | null>(null);
  useEffect(() => void load().then((part) => set(() => part)), []);
  return Part && <Part />;
}

const LATER = new Map<string, () => Promise<ComponentType>>([
  ["teacher", async () => (await import("./teacher/teacher")).Teacher],
  ["codes", async () => (await import("./wall/codes")).Codes],
]);

function Connection() {
  const state = useConnection();
  if (state === "ready") return null;
  return <p class={`connection ${state}`} role="status">{tt(`state.${state}`, { why: live.why })}</p>;
}

export function App() {
  useLanguage();
  const place = usePlace();
  const at = CHAPTERS.findIndex((chapter) => chapter.id === place);
  const paused = usePaused();
  return (
    <>
      {paused && <Paused />}
      <div inert={paused}>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>{t("way.skip")}</a>
      <header class="top">
        <a class="brand" href="#/home">{t("page.title")}</a>
        <Tools />
      </header>
      <Way place={place} />
      <Connection />
      <Place />
      <main id="main" tabIndex={-1}>
        {at >= 0 ? <ChapterPage key={place} chapter={CHAPTERS[at]!} place={at} /> : place === "bench" ? <Workbench /> : LATER.has(place) ? <Later key={place} load={LATER.get(place)!} /> : <Home />}
      </main>
      <footer class="bottom">
        <Trainer />
        <Trust />
        <p class="quiet">{t("page.foot")}</p>
      </footer>
      </div>
    </>
  );
}

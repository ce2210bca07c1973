// For teachers: plan, worksheet, answer key, standards; made to be printed.

import { CHAPTERS } from "../chapters";
import { Levelled, Text } from "../parts/prose";
import { addWords, t, tt, written } from "../words";
import WORDS from "./words.json";

addWords(WORDS);

const PARTS = ["objectives", "prepare", "class", "codes"] as const;
const PLAN = ["hook", "unplugged", "words", "lab", "pool", "quiz", "close"] as const;
const PLAN_MINUTES: { [part: string]: number } = { hook: 5, unplugged: 12, words: 5, lab: 20, pool: 10, quiz: 6, close: 2 };
const VOCABULARY = ["network", "layer", "batch", "mean", "spread", "normalize", "gamma", "rate", "seed", "epsilon"] as const;
const MYTHS = ["wants", "always", "data", "luck", "magic"] as const;
const CARDS = [
  [4, 8, 6],
  [7, 9, 5],
  [1, 7, 4],
  [8, 8, 9],
];

function Cards({ filled }: { filled: boolean }) {
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const show = (v: number) => (filled ? written(+v.toFixed(2)) : "\u00a0");
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">{tt("teacher.card")}</th>
            {["sweet", "crisp", "looks"].map((name) => <th scope="col" key={name}>{tt(`teacher.${name}`)}</th>)}
            <th scope="col" class="row-tint">{tt("teacher.row-mean")}</th>
          </tr>
        </thead>
        <tbody>
          {CARDS.map((row, r) => (
            <tr key={r}>
              <th scope="row">{String.fromCharCode(65 + r)}</th>
              {row.map((v, c) => <td key={c}>{v}</td>)}
              <td class="row-tint">{show(mean(row))}</td>
            </tr>
          ))}
          <tr class="column-tint">
            <th scope="row">{tt("teacher.column-mean")}</th>
            {[0, 1, 2].map((c) => <td key={c}>{show(mean(CARDS.map((row) => row[c]!)))}</td>)}
            <td />
          </tr>
        </tbody>
      </table>
    </div>
  );
}

export function Teacher() {
  const minutes = PLAN.reduce((sum, part) => sum + PLAN_MINUTES[part]!, 0);
  return (
    <article class="chapter teacher">
      <header>
        <h1 tabIndex={-1}>{tt("teacher.title")}</h1>
        <p>{tt("teacher.lead", { minutes })}</p>
        <button type="button" class="primary no-print" onClick={() => print()}>{tt("teacher.print")}</button>
      </header>
      {PARTS.map((part) => (
        <section key={part}>
          <h2>{tt(`teacher.${part}.title`)}</h2>
          <Text words={tt(`teacher.${part}`)} />
          {part === "codes" && <p class="no-print"><a href="#/codes">{tt("teacher.codes.open")}</a></p>}
        </section>
      ))}
      <section>
        <h2>{tt("teacher.plan.title")}</h2>
        <table>
          <thead>
            <tr><th scope="col">{tt("teacher.minutes")}</th><th scope="col">{tt("teacher.what")}</th></tr>
          </thead>
          <tbody>
            {PLAN.map((part, i) => {
              const from = PLAN.slice(0, i).reduce((sum, one) => sum + PLAN_MINUTES[one]!, 0);
              return (
                <tr key={part}>
                  <th scope="row">{`${from}–${from + PLAN_MINUTES[part]!}`}</th>
                  <td class="prose"><Text words={tt(`teacher.plan.${part}`)} /></td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
      <section>
        <h2>{tt("teacher.unplugged.title")}</h2>
        <Text words={tt("teacher.unplugged")} />
        <Cards filled={false} />
        <Text words={tt("teacher.tasks")} />
      </section>
      <section>
        <h2>{tt("teacher.vocabulary.title")}</h2>
        <dl>
          {VOCABULARY.map((word) => (
            <>
              <dt>{tt(`teacher.word.${word}`)}</dt>
              <dd>{tt(`teacher.word.${word}.is`)}</dd>
            </>
          ))}
        </dl>
      </section>
      <section>
        <h2>{tt("teacher.myths.title")}</h2>
        <dl>
          {MYTHS.map((myth) => (
            <>
              <dt>{tt(`teacher.myth.${myth}`)}</dt>
              <dd>{tt(`teacher.myth.${myth}.instead`)}</dd>
            </>
          ))}
        </dl>
      </section>
      <section class="sheet">
        <h2>{tt("teacher.sheet.title")}</h2>
        <p>{t("record.name")}</p>
        <p>{tt("teacher.sheet.cards")}</p>
        <Cards filled={false} />
        <p>{tt("teacher.sheet.chapters")}</p>
        <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
        <table class="to-fill">
          <thead>
            <tr>
              <th scope="col">{t("record.chapter")}</th>
              <th scope="col">{tt("teacher.sheet.expect")}</th>
              <th scope="col">{tt("teacher.sheet.saw")}</th>
              <th scope="col">{tt("teacher.sheet.why")}</th>
            </tr>
          </thead>
          <tbody>
            {CHAPTERS.filter((chapter) => chapter.experiments.length > 0).map((chapter) => (
              <tr key={chapter.id}><th scope="row">{tt(`${chapter.id}.title`)}</th><td class="write" /><td class="write" /><td class="write" /></tr>
            ))}
          </tbody>
        </table>
        </div>
      </section>
      <section class="sheet">
        <h2>{tt("teacher.key.title")}</h2>
        <Text words={tt("teacher.key")} />
        <Cards filled />
        <Text words={tt("teacher.key.cards")} />
        <Text words={tt("teacher.key.quiz")} />
        <table>
          <thead>
            <tr><th scope="col">{t("record.chapter")}</th><th scope="col">{tt("teacher.key.accept")}</th></tr>
          </thead>
          <tbody>
            {CHAPTERS.filter((chapter) => chapter.experiments.length > 0).map((chapter) => (
              <tr key={chapter.id}><th scope="row">{tt(`${chapter.id}.title`)}</th><td class="prose">{tt(`teacher.key.${chapter.id}`)}</td></tr>
            ))}
          </tbody>
        </table>
      </section>
      <section>
        <h2>{tt("teacher.standards.title")}</h2>
        <Levelled k="teacher.standards" />
      </section>
    </article>
  );
}

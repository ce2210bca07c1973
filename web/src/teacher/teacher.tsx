// For teachers: plan, worksheet, answer key, standards; made to be printed.

import { CHAPTERS } from "../chapters";
import { meaning } from "../parts/glossary";
import { inline, Levelled, Text } from "../parts/prose";
import { addWords, has, t, tt, written } from "../words";
import WORDS from "./words.json";

addWords(WORDS);

const PARTS = ["objectives", "prepare", "class", "codes"] as const;
const PLANS: { [minutes: string]: [part: string, minutes: number][] } = {
  60: [["hook", 5], ["unplugged", 12], ["words", 5], ["lab", 20], ["pool", 10], ["quiz", 6], ["close", 2]],
  45: [["hook", 4], ["unplugged", 8], ["words", 3], ["lab", 16], ["pool", 8], ["quiz", 4], ["close", 2]],
};
const FAIR = ["same", "differs", "tries"] as const;
const IN_THE_PLANS = ["race", "rates"];
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

// Two sets, with a blank card each.
function ToCut() {
  return (
    <div class="to-cut">
      {[...CARDS, ...CARDS, [], []].map((marks, i) => (
        <div key={i}>
          <strong>{tt("teacher.cut.cookie", { name: marks.length ? String.fromCharCode(65 + (i % CARDS.length)) : "E" })}</strong>
          {["sweet", "crisp", "looks"].map((name, k) => <p key={name}>{tt(`teacher.${name}`)} <b>{marks[k] ?? "____"}</b></p>)}
        </div>
      ))}
    </div>
  );
}

// What is done differently in a shorter lesson has words of its own.
function Plan({ minutes }: { minutes: string }) {
  let until = 0;
  return (
    <>
      <h3>{tt("teacher.plan.of", { minutes })}</h3>
      <table>
        <thead>
          <tr><th scope="col">{tt("teacher.minutes")}</th><th scope="col">{tt("teacher.what")}</th></tr>
        </thead>
        <tbody>
          {PLANS[minutes]!.map(([part, takes]) => {
            const key = `teacher.plan.${part}`;
            until += takes;
            return (
              <tr key={part}>
                <th scope="row">{`${until - takes}–${until}`}</th>
                <td class="prose"><Text words={tt(has(`${key}.${minutes}`) ? `${key}.${minutes}` : key)} /></td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </>
  );
}

export function Teacher() {
  return (
    <article class="chapter teacher">
      <header>
        <h1 tabIndex={-1}>{tt("teacher.title")}</h1>
        <p>{tt("teacher.lead", { minutes: 60, fewer: 45 })}</p>
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
        <Plan minutes="60" />
        <Plan minutes="45" />
      </section>
      <section>
        <h2>{tt("teacher.unplugged.title")}</h2>
        <Text words={tt("teacher.unplugged")} />
        <Cards filled={false} />
        <Text words={tt("teacher.tasks")} />
      </section>
      <section>
        <h2>{tt("teacher.pictures.title")}</h2>
        <Text words={tt("teacher.pictures")} />
      </section>
      <section>
        <h2>{tt("teacher.vocabulary.title")}</h2>
        <dl>
          {VOCABULARY.map((word) => (
            <>
              <dt>{tt(`teacher.word.${word}`)}</dt>
              <dd>{meaning(word)}</dd>
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
        <h2>{tt("teacher.cut.title")}</h2>
        <p>{tt("teacher.cut")}</p>
        <ToCut />
      </section>
      <section class="sheet">
        <h2>{tt("teacher.sheet.title")}</h2>
        <p>{t("record.name")}</p>
        <p>{tt("teacher.sheet.cards")}</p>
        <Cards filled={false} />
        <p>{tt("teacher.sheet.fair")}</p>
        {FAIR.map((part) => <p key={part} class="line">{tt(`teacher.sheet.fair.${part}`)}</p>)}
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
            {[...IN_THE_PLANS, "", ""].map((id, i) => (
              <tr key={i}><th scope="row">{id && tt(`${id}.title`)}</th><td class="write" /><td class="write" /><td class="write" /></tr>
            ))}
          </tbody>
        </table>
        </div>
        <p>{tt("teacher.sheet.code")}</p>
      </section>
      <section class="sheet">
        <h2>{tt("teacher.key.title")}</h2>
        <Text words={tt("teacher.key")} />
        <Cards filled />
        <Text words={tt("teacher.key.cards")} />
        <Text words={tt("teacher.key.fair")} />
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
        <h3>{tt("teacher.key.checks")}</h3>
        <ul>
          {CHAPTERS.filter((chapter) => chapter.check.right).map(({ id, check }) => (
            <li key={id}><strong>{tt(`${id}.title`)}:</strong> {inline(tt(`${id}.check.${check.right}`))}</li>
          ))}
        </ul>
      </section>
      <section>
        <h2>{tt("teacher.standards.title")}</h2>
        <Levelled k="teacher.standards" />
      </section>
    </article>
  );
}

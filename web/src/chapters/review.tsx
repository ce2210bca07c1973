// Chapter 9: what did we learn? Ten questions, answered with the learner's own runs, and a record.

import type { Result } from "../made/messages";
import { useMemory } from "../memory";
import { answerName } from "../parts/experiment";
import { Check, judge } from "../parts/choice";
import { happened, headline } from "../parts/happened";
import { inline } from "../parts/prose";
import { t, tt } from "../words";
import { CHAPTERS } from ".";
import type { ChapterShown } from "./chapter";

const ID = "review";

interface Question {
  id: string;
  options: string[];
  right: string;
  run: string; // whose result is quoted
}

// The lesson's own four come first.
export const QUESTIONS: Question[] = [
  { id: "review.batches", options: ["estimate", "memory", "speed"], right: "estimate", run: "layer" },
  { id: "review.layer", options: ["sequences", "always", "images"], right: "sequences", run: "layer" },
  { id: "review.epsilon", options: ["zero", "slow", "nothing"], right: "zero", run: "break.eps" },
  { id: "review.scaling", options: ["every", "same", "instead"], right: "every", run: "place" },
  { id: "review.faster", options: ["both", "steps", "never"], right: "both", run: "race" },
  { id: "review.rates", options: ["wider", "any", "narrower"], right: "wider", run: "rates" },
  { id: "review.deep", options: ["not-alone", "always", "shallow"], right: "not-alone", run: "tower" },
  { id: "review.cause", options: ["disputed", "proved", "none"], right: "disputed", run: "factory" },
  { id: "review.eval", options: ["running", "batch", "off"], right: "running", run: "break.eval" },
  { id: "review.seeds", options: ["luck", "rule", "cost"], right: "luck", run: "race" },
];

function Scene() {
  return (
    <svg viewBox="0 0 640 110" class="scene" role="img" aria-label={t("review.scene")}>
      <path d="M20 96H620" class="ground" />
      {[0, 1, 2, 3, 4, 5, 6, 7].map((i) => (
        <g key={i} transform={`translate(${70 + i * 72} 70)`}>
          <circle r="24" class="cookie" />
          <circle cx="-8" cy="-6" r="3.4" class="chip" />
          <circle cx="9" cy="-2" r="3.4" class="chip" />
          <circle cx="-2" cy="10" r="3.4" class="chip" />
        </g>
      ))}
    </svg>
  );
}

function Own({ run }: { run: string }) {
  const result = useMemory().get("results")[run];
  if (!result) return <p class="quiet">{t("review.not-run")}</p>;
  return (
    <p class="own">
      <strong>{t("review.own")}</strong> {tt(`record.claim.${run}`)} <em>{answerName(result.result.verdict.answer)}</em>. {inline(happened(run, result.result.verdict.answer, result.facts))}
    </p>
  );
}

function Touch() {
  const answers = useMemory().get("answers");
  const right = QUESTIONS.filter((question) => answers[question.id] === question.right).length;
  const answered = QUESTIONS.filter((question) => answers[question.id]).length;
  return (
    <>
      {QUESTIONS.map((question, i) => (
        <div class="question-block" key={question.id}>
          <Check id={question.id} options={question.options} right={question.right} title={t("review.question", { n: i + 1 })} />
          {answers[question.id] && <Own run={question.run} />}
        </div>
      ))}
      <p role="status">{t("review.score", { right, answered, of: QUESTIONS.length })}</p>
      <Record />
    </>
  );
}

function judged(name: string, predicted: string | undefined, result: Result): string {
  return predicted ? tt(`verdict.${judge(name, predicted, result)}`) : "";
}

// The browser prints the page; the style sheet leaves of it what this asks for.
function printRecord(): void {
  document.body.dataset.print = "record";
  addEventListener("afterprint", () => delete document.body.dataset.print, { once: true });
  print();
}

// Predictions against results, to print or to keep.
export function Record() {
  const memory = useMemory();
  const predictions = memory.get("predictions");
  const results = memory.get("results");
  // The first experiment of each chapter, and what else was done.
  const rows = CHAPTERS.flatMap((chapter) => chapter.experiments.filter((name, i) => i === 0 || predictions[name] || results[name]).map((name) => ({ chapter, name })));
  return (
    <section class="record" aria-labelledby="record-title">
      <h2 id="record-title">{t("record.title")}</h2>
      <p class="print-only">{t("record.name")}</p>
      <div class="scroll" tabIndex={0} role="group" aria-label={t("scroll")}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("record.chapter")}</th>
              <th scope="col">{t("record.predicted")}</th>
              <th scope="col">{t("record.judged")}</th>
              <th scope="col">{t("record.result")}</th>
              <th scope="col">{t("record.numbers")}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ chapter, name }) => {
              const result = results[name];
              const predicted = predictions[name];
              return (
                <tr key={name}>
                  <th scope="row">{tt(`${chapter.id}.title`)}{name !== chapter.experiments[0] && `: ${tt(`${name}.tab`)}`}</th>
                  <td>{predicted ? inline(tt(`${name}.predict.${predicted}`)) : "–"}</td>
                  <td>{(result && judged(name, predicted, result.result)) || "–"}</td>
                  <td>{result ? answerName(result.result.verdict.answer) : "–"}</td>
                  <td>{(result && headline(name, result.facts)) || "–"}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <p class="controls">
        <button type="button" class="primary" onClick={printRecord}>{t("record.print")}</button>
        <button type="button" onClick={() => { if (confirm(t("record.sure"))) memory.forget(); }}>{t("record.forget")}</button>
      </p>
    </section>
  );
}

export const chapter: ChapterShown = { id: ID, minutes: 6, experiments: [], check: { options: [], right: "" }, Scene, Touch };

// For a class without a server: the codes of the pairs, typed, become dots and one number.

import { useId, useMemo, useState } from "preact/hooks";

import { useKnob } from "../memory";
import { Text } from "../parts/prose";
import { download } from "../parts/save";
import { t, tt, useLanguage } from "../words";
import { experimentName, LookAt, Out, Result, Settings, useFamilies } from "./result";
import { FEWEST } from "./seen";
import { MOST, read, seenOf, table, type Typed } from "./typed";

function Wrong({ wrong }: Pick<Typed, "wrong">) {
  return (
    <ul class="wrong">
      {wrong.map(({ line, typed, why }) => <li key={`${line} ${typed}`} class="failed">{tt(`codes.why.${why}`, { line, code: typed, most: MOST })}</li>)}
    </ul>
  );
}

export function Codes() {
  useLanguage();
  const all = useFamilies();
  const id = useId();
  const [text, setText] = useKnob("codes", "", () => true);
  const [out, setOut] = useKnob<number[]>("codes.out", [], Array.isArray);
  const [chosen, choose] = useState("");
  const [wanted, want] = useState("");
  const { found, wrong, doubles } = useMemo(() => read(text), [text]);
  const look = chosen || (found.at(-1)?.experiment ?? "race");
  const seen = useMemo(() => all && seenOf(all, found.filter((one) => !out.includes(one.pair)), look, wanted), [all, found, out, look, wanted]);
  const pairs = new Set(found.map((one) => one.pair)).size;
  return (
    <article class="chapter codes">
      <header>
        <h1 tabIndex={-1}>{tt("codes.title")}</h1>
        <div class="no-print"><Text words={tt("codes.how")} /></div>
      </header>
      <div class="no-print">
        <label for={id}><strong>{tt("codes.label")}</strong></label>
        <textarea id={id} rows={8} value={text} spellcheck={false} autocomplete="off" autocapitalize="characters" aria-describedby={`${id}-said`} onInput={(event) => setText(event.currentTarget.value)} />
        <div role="status" id={`${id}-said`}>
          <p class="quiet">
            {tt("codes.taken", { n: found.length, pairs })}
            {doubles > 0 && ` ${tt("codes.doubles", { n: doubles })}`}
            <Out out={out} back={(pair) => setOut(out.filter((one) => one !== pair))} />
          </p>
          {wrong.length > 0 && <Wrong wrong={wrong} />}
        </div>
      </div>
      {seen && (
        <>
          <h2 class="print-only">{experimentName(look)}</h2>
          <div class="leading no-print">
            <LookAt look={look} done={seen.done} change={choose} />
            <Settings groups={seen.groups} settings={seen.settings} change={want} />
            <button type="button" onClick={() => print()}>{tt("wall.print")}</button>
            <button type="button" onClick={() => download("class.csv", "text/csv", table(all!, found, out))}>{tt("wall.csv")}</button>
          </div>
          <Result seen={seen} leave={(pair) => setOut([...out, pair])} />
          {seen.pooled && seen.pooled.pairs >= FEWEST && !seen.answer && <p class="quiet">{tt("codes.no-answer")}</p>}
        </>
      )}
      <p class="no-print"><a href="#/teacher">← {t("way.teacher")}</a></p>
    </article>
  );
}

// The workbench: every knob of a trial, up to six arms, and what is needed to repeat it elsewhere.

import { useEffect, useState } from "preact/hooks";

import { LiveChart, type Quantity } from "../charts/live";
import { pictured } from "../charts/picture";
import type { Run } from "../live/run";
import type { BenchSettings } from "../made/messages";
import { memory } from "../memory";
import { Controls, Shown, useExperiment } from "../parts/experiment";
import { Choose, Slider } from "../parts/knobs";
import { download, picture } from "../parts/save";
import { t, tt } from "../words";
import { Arms, Ends } from "./bench-arms";
import { armsOf, csv, fromLink, idOf, namesOf, OPTIONS, python, START, toLink } from "./bench-state";

// What the link says; without one, the workbench as it was left.
function kept(): BenchSettings {
  return fromLink(location.hash) ?? fromLink(`?${memory.get("knobs").bench}`) ?? START;
}

export function Workbench() {
  const [bench, setBench] = useState<BenchSettings>(kept);
  const [quantity, setQuantity] = useState<Quantity>("metric");
  const [said, setSaid] = useState(""); // of what was copied or pasted
  const experiment = useExperiment("bench", { ...bench });
  const { run } = experiment;
  const change = (next: Partial<BenchSettings>) => setBench({ ...bench, ...next });
  useEffect(() => {
    history.replaceState(null, "", toLink(bench));
    memory.put("knobs", "bench", toLink(bench).split("?")[1]);
  }, [bench]);
  // Another link followed while the workbench is open.
  useEffect(() => {
    const follow = () => {
      const linked = fromLink(location.hash);
      if (linked) setBench(linked);
    };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const ran = (run?.settings as BenchSettings | undefined)?.arms ?? bench.arms;
  const arms = namesOf(ran).map((name, i) => ({ id: idOf(ran, i), name }));
  const title = tt(`quantity.${quantity}`);
  const most = (run?.settings as BenchSettings | undefined)?.steps ?? bench.steps;
  const copy = async (what: string, text: string) => {
    await navigator.clipboard.writeText(text);
    setSaid(what);
  };
  const save = async (shown: Run) => {
    const { data, seeds, seed } = shown.settings as unknown as BenchSettings;
    const note = `${tt(`data.${data}`)}, ${t("bench.note", { seeds, seed })}. ${t("chart.seeds")}`;
    await picture("evenbatch.png", await pictured(shown, quantity, title, note, most, arms, armsOf(ran)));
  };
  const paste = (text: string) => {
    const linked = fromLink(text.slice(Math.max(0, text.indexOf("#"))));
    if (linked) setBench(linked);
    setSaid(linked ? "pasted" : "none");
  };
  return (
    <article class="chapter">
      <h1 tabIndex={-1}>{t("bench.title")}</h1>
      <p>{t("bench.story")}</p>
      <section class="card">
        <div class="knobs">
          <Choose label={t("knob.data")} value={bench.data} change={(data) => change({ data })} options={OPTIONS.data.map((value) => ({ value, label: tt(`data.${value}`) }))} />
          <Slider label={t("knob.steps")} value={bench.steps} min={100} max={3000} step={100} change={(steps) => change({ steps })} />
          <Slider label={t("knob.seeds")} value={bench.seeds} min={1} max={10} step={1} change={(seeds) => change({ seeds })} />
        </div>
        <Arms arms={bench.arms} change={(arms) => change({ arms })} />
        <Controls experiment={experiment} label={t("bench.start")} started={({ seed }) => change({ seed: seed as number })} />
        <Shown experiment={experiment}>
        <div class="knobs">
          <Choose label={t("bench.show")} value={quantity} change={(v) => setQuantity(v)} options={(["metric", "testLoss", "trainLoss"] as Quantity[]).map((value) => ({ value, label: tt(`quantity.${value}`) }))} />
        </div>
        <LiveChart run={run} quantity={quantity} percent={quantity === "metric"} title={title} label={t("chart.seeds")} most={most} arms={arms} of={armsOf(ran)} />
        {run && !run.busy && run.curves.length > 0 && (
          <div class="controls">
            <button type="button" onClick={() => download("evenbatch.csv", "text/csv", csv(run))}>CSV</button>
            <button type="button" onClick={() => void save(run)}>PNG</button>
            <button type="button" onClick={() => void copy("link", location.href)}>{t("bench.link")}</button>
            <button type="button" onClick={() => void copy("python", python(bench))}>{t("bench.copy")}</button>
          </div>
        )}
        {run && <Ends run={run} />}
        </Shown>
        <p class="controls">
          <label>{t("bench.paste")} <input class="field" type="text" value="" onChange={(event) => { paste(event.currentTarget.value); event.currentTarget.value = ""; }} /></label>
          <span role="status" class="quiet">{said && tt(`bench.said.${said}`)}</span>
        </p>
        <details>
          <summary>{t("bench.python")}</summary>
          <pre><code>{python(bench)}</code></pre>
        </details>
      </section>
    </article>
  );
}

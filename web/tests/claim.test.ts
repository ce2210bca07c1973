import { expect, test } from "vitest";

import { armsAt } from "../src/chapters/race";
import { Run } from "../src/live/run";
import { Growing } from "../src/live/frames";
import type { Place, TrialShown } from "../src/made/messages";
import { stripOf, type Strip } from "../src/parts/claim";

const strip: Strip = { blocks: ["a"], row: (place) => place.cell.arm!, column: (trial) => trial.rate, columnName: "knob.rate" };
const place = (arm: string, at: string[] = [], block = "a"): Place => ({ block, cell: { arm }, at });
const trial = (phase: string, rate: number, places: Place[]) => ({ phase, rate, places, seed: 5_000_000 }) as unknown as TrialShown;

function run(trials: TrialShown[], ends: (number | null)[]): Run {
  const made = new Run(1, "claim", {});
  made.trials = trials;
  ends.forEach((end, at) => {
    if (end === null) return;
    made.curves[at] = new Growing();
    made.curves[at].metric.push(0, end);
  });
  return made;
}

test("a strip shows the search until something is measured, whatever the seeds", () => {
  const found = run([trial("tuning", 0.1, [place("batch")]), trial("tuning", 1, [place("batch")])], [0.5, null]);
  expect(stripOf(found, strip)).toMatchObject({ measuring: false, columns: [0.1, 1], rows: [{ name: "batch", cells: [0.5, "waiting"] }] });
  found.trials.push(trial("measuring", 1, [place("none"), place("batch"), place("other", [], "b")]));
  found.ended.set(2, { type: "ended", run: 1, trial: 2, how: "diverged", at: 3 });
  const measured = stripOf(found, strip);
  expect(measured).toMatchObject({ measuring: true, columns: [1], rows: [{ name: "none", cells: ["lost"] }, { name: "batch", cells: ["lost"] }] });
  expect(measured.trials).toHaveLength(1);
});

test("the race draws the arms at their best rates, and no others, once it measures", () => {
  expect(armsAt(trial("measuring", 1, [place("batch", ["best", "at-batch"])]), true)).toEqual(["batch"]);
  expect(armsAt(trial("measuring", 1, [place("none", ["at-batch"])]), true)).toEqual([]);
  expect(armsAt(trial("tuning", 1, [place("none")]), true)).toEqual([]);
  expect(armsAt(trial("tuning", 1, [place("none")]), false)).toEqual(["none"]);
});

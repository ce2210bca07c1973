// Data sets made from given ones, step by step, as Python's `protocol.recipes`: the steps of the
// lesson's experiments.

import type { Dataset } from "../engine/dataset";
import type { Experiment, Recipe } from "../made/experiment";
import { randomOrder } from "./intervals";

type Step = Recipe["steps"][number];

// Both tables with each value changed, in doubles, and rounded to 32 bits.
function each(data: Dataset, changed: (value: number, column: number) => number): Partial<Dataset> {
  const columns = data.features.length;
  const table = (x: Float32Array) => x.map((value, i) => changed(value, i % columns));
  return { x_train: table(data.x_train), x_test: table(data.x_test) };
}

function withColumn(data: Dataset, added: number): Partial<Dataset> {
  const columns = data.features.length + 1;
  const table = (x: Float32Array) => {
    const made = new Float32Array((x.length / (columns - 1)) * columns).fill(added);
    for (let row = 0; row * columns < made.length; row++) made.set(x.subarray(row * (columns - 1), (row + 1) * (columns - 1)), row * columns);
    return made;
  };
  return { x_train: table(data.x_train), x_test: table(data.x_test), features: [...data.features, "constant"] };
}

function rowsOf(x: Float32Array, columns: number, rows: number[]): Float32Array {
  const made = new Float32Array(rows.length * columns);
  rows.forEach((row, i) => made.set(x.subarray(row * columns, (row + 1) * columns), i * columns));
  return made;
}

// What a step changes.
function applied(data: Dataset, step: Step): Partial<Dataset> {
  const columns = data.features.length;
  switch (step.type) {
    case "standardize":
      return each(data, (value, i) => (value - step.mean[i]!) / (step.deviation[i]! > 0 ? step.deviation[i]! : Infinity));
    case "rescale":
      return each(data, (value, i) => value * step.factors[i]!);
    case "add-column":
      return withColumn(data, step.value);
    case "take-rows":
      return { x_train: rowsOf(data.x_train, columns, step.rows), y_train: Int32Array.from(step.rows, (row) => data.y_train[row]!), n_train: step.rows.length };
    case "take-targets": {
      const y_train = data.y_train.slice();
      step.rows.forEach((row, i) => (y_train[row] = data.y_train[step.targets[i]!]!));
      return { y_train };
    }
    case "order-tests":
      return { x_test: rowsOf(data.x_test, columns, step.order), y_test: Int32Array.from(step.order, (row) => data.y_test[row]!) };
    default:
      throw new Error(`a page does not ${step.type.replace("-", " ")}`);
  }
}

// A recipe with its chosen rows, of what Python wrote down of how they were chosen.
export function unpacked(recipe: Recipe): Recipe {
  const drawn = ([n, some]: number[]) => randomOrder(n!).slice(0, some);
  const steps = recipe.steps.map((step) => {
    if (step.type === "take-rows") {
      let row = 0;
      return { ...step, rows: step.rows.map((further) => (row += further)) };
    }
    if (step.type === "order-tests") return { ...step, order: drawn(step.order) };
    if (step.type !== "take-targets") return step;
    const rows = drawn(step.rows);
    return { ...step, rows, targets: [...rows.slice(-1), ...rows.slice(0, -1)] };
  });
  return { ...recipe, steps };
}

export function made(data: Dataset, recipe: Recipe): Dataset {
  const steps = recipe.steps ?? [];
  if (steps.length && (data.time_steps || data.task !== "classification")) throw new Error(`a page makes no data from ${data.name}`);
  return steps.reduce((found, step) => ({ ...found, ...applied(found, step), name: `${found.name}, ${step.suffix}` }), data);
}

// All data sets that an experiment's trials name; `load` fetches those that they are made from.
export async function datasetsOf(experiment: Experiment, load: (name: string) => Promise<Dataset>): Promise<Map<string, Dataset>> {
  const names = Object.entries(experiment.recipes ?? {});
  return new Map(await Promise.all(names.map(async ([name, recipe]): Promise<[string, Dataset]> => [name, made(await load(recipe.of), recipe)])));
}

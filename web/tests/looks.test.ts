import { expect, test } from "vitest";

import { looks } from "../src/charts/looks";
import cases from "./looks.json";

const written = (ids: string[]) => looks(ids).map((look) => [look.color, look.dash.join(" "), look.marker, look.hollow]);

test.each(cases)("the report gives $ids the same looks", ({ ids, looks: wanted }) => {
  expect(written(ids)).toEqual(wanted);
});

test("an arm looks the same whatever it is drawn beside, and no two look alike", () => {
  expect(looks(["none", "batch"])[1]).toEqual(looks(["batch", "dropout", "layer"])[0]);
  const many = looks(["none", "batch", "dropout", "batch/deep", "a", "b", "c", "d"]);
  expect(new Set(many.map((look) => `${look.marker} ${look.hollow}`)).size).toBe(many.length);
});

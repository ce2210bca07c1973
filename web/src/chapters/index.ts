// The lesson's chapters in order. A new chapter is one file and one line here.

import * as breaking from "./break";
import type { ChapterShown } from "./chapter";
import * as factory from "./factory";
import * as layer from "./layer";
import * as machine from "./machine";
import * as place from "./place";
import * as race from "./race";
import * as rates from "./rates";
import * as review from "./review";
import * as tower from "./tower";

export const CHAPTERS: ChapterShown[] = [
  factory.chapter,
  machine.chapter,
  race.chapter,
  rates.chapter,
  tower.chapter,
  place.chapter,
  layer.chapter,
  breaking.chapter,
  review.chapter,
];

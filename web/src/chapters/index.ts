// The lesson's chapters in order. A new chapter is one file and one line here.

import type { ComponentType } from "preact";

import * as factory from "./factory";
import * as machine from "./machine";
import * as race from "./race";
import * as rates from "./rates";
import * as review from "./review";

export interface ChapterShown {
  id: string;
  minutes: number;
  predict: string[];
  check: { options: string[]; right: string };
  Scene: ComponentType;
  Touch?: ComponentType;
  Experiment?: ComponentType;
}

export const CHAPTERS: ChapterShown[] = [factory.chapter, machine.chapter, race.chapter, rates.chapter, review.chapter];

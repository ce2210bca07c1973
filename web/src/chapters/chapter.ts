// What a chapter is.

import type { ComponentType } from "preact";

export interface ChapterShown {
  id: string;
  minutes: number;
  predict: string[];
  check: { options: string[]; right: string };
  Scene: ComponentType;
  Touch?: ComponentType;
  Experiment?: ComponentType;
}

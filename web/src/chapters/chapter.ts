// What a chapter is.

import type { ComponentType } from "preact";

export interface ChapterShown {
  id: string;
  minutes: number;
  experiments: string[]; // the names of what is trained in it
  check: { options: string[]; right: string };
  Scene?: ComponentType; // a picture at the top, where nothing below is one
  Touch?: ComponentType;
  Experiment?: ComponentType;
}

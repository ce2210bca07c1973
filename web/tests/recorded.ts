// The recorded runs, as tests see them.

import type { Recorded } from "../src/made/messages";

const files = import.meta.glob<Recorded>("../../src/evenbatch/lesson/recorded/*.json", { eager: true, import: "default" });

export const RECORDED: [string, Recorded][] = Object.entries(files).map(([path, file]) => [path.split("/").pop()!.replace(/\.json$/, ""), file]);

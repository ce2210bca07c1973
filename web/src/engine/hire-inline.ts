// A worker whose program lies in the page itself: beside a file there is nothing to load.

// oxlint-disable-next-line import/default -- Vite gives it one
import Inline from "./worker?worker&inline";

export const hire = (): Worker => new Inline();

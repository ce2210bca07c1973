// Preact's view of runs and of the connection.

import { useEffect, useReducer } from "preact/hooks";

import { live, type State } from "./live";
import type { Run } from "./run";

function useAgain(): () => void {
  const [, again] = useReducer((n: number) => n + 1, 0);
  return again as () => void;
}

// Draw again whenever the run changes (at most once a frame).
export function useRun(run: Run | null): void {
  const again = useAgain();
  useEffect(() => run?.listen(again), [run]);
}

export function useConnection(): State {
  const again = useAgain();
  useEffect(() => live.listen(again), []);
  return live.state;
}

// A trial as the page knows it, as Python's `lesson.trials`.

import type { Trial } from "../engine/trial";
import type { Place, TrialShown } from "../made/messages";
import { key } from "./cells";

export function shownOf(trial: Trial, phase: TrialShown["phase"], places: Place[]): TrialShown {
  const { network } = trial;
  return {
    key: key(trial), seed: trial.seed, phase, places, norm: network.norm, placement: network.placement, depth: network.hidden.length,
    width: network.hidden[0]!, init: network.init, residual: network.residual, rate: trial.learning_rate, batch: trial.batch_size,
    steps: trial.steps, data: trial.data, eps: network.eps, affine: network.affine, dropout: network.dropout,
    statistics: trial.statistics, tested: trial.evaluation_batch,
  };
}

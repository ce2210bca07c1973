// What a curve gives over steps, layers or losses, by name, as Python's `protocol.paths`: x and y,
// or x, y and a band around y.

import type { Curve } from "../engine/curve";
import { probeSteps } from "../engine/trial";
import { type About, affinePath, atLoss, between, gradientRatios, movedFromStart } from "./measures";
import { type Floats, mean } from "./numbers";

export type Path = (curve: Curve, about: About, at: number) => [x: Floats, y: Floats];

// Training losses at which a curve is read, as shares of a guess's.
const SHARES = Array.from({ length: 25 }, (_, i) => 10 ** (-i / 12));

const over = (curve: Curve, values: number[]): [Floats, Floats] => [probeSteps(curve.trial).slice(0, values.length), values];

export const PATHS: { [name: string]: Path } = {
  metric: (curve) => [curve.step, curve.metric],
  "gradient-range": (curve) => over(curve, gradientRatios(curve)),
  "layer-gradient": (curve, _, at) => over(curve, between(curve).map((norms) => norms[at - 2]!)),
  moved: (curve) => over(curve, (movedFromStart(curve) ?? []).map(mean)),
  affine: (curve, _, at) => over(curve, affinePath(curve, at ? "beta_shift" : "gamma_shift")),
  "by-loss": (curve, about) => [SHARES, SHARES.map((share) => atLoss(curve, share * (about.loss ?? NaN), curve.metric))],
};

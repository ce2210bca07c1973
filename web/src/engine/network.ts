// What a network is, by the names and values of Python's `Network`, which says what each means.

export interface Network {
  inputs: number;
  hidden: number[];
  outputs: number;
  activation: "relu" | "leaky_relu" | "tanh" | "sigmoid" | "gelu" | "identity";
  norm: "none" | "batch" | "layer" | "rms" | "group";
  placement: "before" | "after" | "input";
  affine: "both" | "gamma" | "beta" | "none";
  init: "torch" | "he" | "xavier" | "gaussian";
  sigma: number;
  residual: number;
  dropout: number;
  drift: number;
  groups: number;
  eps: number;
  momentum: number;
  time_steps: number;
}

// A network of these settings, the others as they are where nobody asks for anything else.
export function network(settings: Pick<Network, "inputs" | "hidden" | "outputs"> & Partial<Network>): Network {
  if ("conv" in settings) throw new Error("a page trains no convolutions; evenbatch race --conv and evenbatch sweep do");
  return {
    activation: "relu", norm: "none", placement: "before", affine: "both", init: "torch", sigma: 0.01, residual: 0, dropout: 0,
    drift: 0, groups: 4, eps: 1e-5, momentum: 0.1, time_steps: 0, ...settings,
  };
}

// Widths of what the normalizer is applied to.
export function normalizedWidths(net: Network): number[] {
  if (net.norm === "none") return [];
  return net.placement === "input" ? [net.inputs] : net.hidden;
}

// Whether a linear layer has a bias: not right before a batch normalizer. The output is the last.
export function hasBias(net: Network, layer: number): boolean {
  return !(net.norm === "batch" && net.placement === "before" && layer < net.hidden.length);
}

// Residual connections: the last layer of a block, and the layer whose output is added to it.
export function skips(net: Network): Map<number, number> {
  const found = new Map<number, number>();
  if (net.residual === 0) return found;
  for (let start = 0; start + net.residual < net.hidden.length; start += net.residual) {
    const end = start + net.residual;
    if (net.hidden[start] === net.hidden[end]) found.set(end, start);
  }
  return found;
}

// Data, network, training and seeds in one line, from the trials themselves; where they differ, the
// range. As Python's `protocol.statement`.

import type { Trial } from "../engine/trial";
import type { Facts } from "../made/described";
import { INIT_NAMES } from "../made/protocol";
import { count, listed } from "./wording";

function range(values: number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? `${low}` : `${low} to ${high}`;
}

const each = (values: string[]) => listed([...new Set(values)]);

export function setting(data: Facts, trials: Trial[], seeds: number): string {
  const nets = trials.map((trial) => trial.network);
  const depth = range(nets.map((net) => net.hidden.length));
  const places = [...new Set(nets.filter((net) => net.norm !== "none").map((net) => net.placement))];
  const placed = places.length === 1 && places[0] !== "before" ? `, norm placed ${places[0]}` : "";
  const steps = range(trials.map((trial) => trial.steps));
  const said = [
    `${depth} hidden layer${depth === "1" ? "" : "s"} of ${range(nets.flatMap((net) => net.hidden))} ${each(nets.map((net) => net.activation))} units${placed}`,
    each(nets.map((net) => INIT_NAMES[net.init])),
    each(trials.map((trial) => trial.optimizer)),
    `batches of ${range(trials.map((trial) => trial.batch_size))}`,
    `${steps} step${steps === "1" ? "" : "s"}`,
    ...(seeds ? [count(seeds, "seed")] : []),
  ];
  return `${data.name} (${data.train} training and ${data.test} test rows), ${said.join(", ")}`;
}

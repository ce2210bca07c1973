// Trials in training, in a worker: they are advanced in slices, so that new points are seen and a stop
// is heard.

import type { Curve } from "./curve";
import type { Dataset } from "./dataset";
import { Kernels } from "./kernels";
import { type Shown, type Watched, watcher } from "./layers";
import { type Modules, TrialState } from "./state";
import type { Trial } from "./trial";

const SLICE_MS = 40;

// One trial to be carried out, by a number that names it in all that comes of it.
interface Order {
  id: number;
  trial: Trial;
  data: string;
  watched?: Watched;
}

export type ToWorker =
  | { type: "modules"; modules: Modules<WebAssembly.Module> }
  | { type: "data"; data: Dataset; name: string }
  | { type: "train"; order: Order }
  | { type: "stop" };

// Points are those since the place `first`; `curve` is the whole, at the end.
export type FromWorker =
  | { type: "points"; id: number; first: number; points: Curve }
  | { type: "shown"; id: number; shown: Shown }
  | { type: "curve"; id: number; curve: Curve }
  | { type: "failed"; id: number; why: string };

interface Port {
  postMessage(message: FromWorker): void;
}

// Let what has arrived be handled; a timer would wait 4 ms.
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

// What a worker does with each message.
export class Session {
  private modules: Modules<WebAssembly.Module> | null = null;
  private kernels: Promise<Modules<Kernels>> | null = null;
  private readonly sets = new Map<string, Dataset>();
  private stopped = false;

  constructor(private readonly port: Port) {}

  async take(message: ToWorker): Promise<void> {
    if (message.type === "modules") {
      this.modules = message.modules;
      this.kernels = instances(message.modules);
      this.kernels.catch(() => {}); // the first trial says it
    }
    if (message.type === "data") this.sets.set(message.name, message.data);
    if (message.type === "stop") this.stopped = true;
    if (message.type !== "train") return;
    const { order } = message;
    this.stopped = false;
    try {
      await this.carryOut(order);
    } catch (error) {
      this.kernels = null; // where a kernel broke off, its memory is not to be trusted
      // Arrays and memories that are too large are a RangeError, in words of each browser's own.
      const why = error instanceof RangeError ? "this device has no memory for a network of this size" : String(error);
      this.port.postMessage({ type: "failed", id: order.id, why });
    }
  }

  private async carryOut({ id, trial, data: name, watched }: Order): Promise<void> {
    const kernels = await (this.kernels ??= instances(this.modules!));
    const data = this.sets.get(name)!;
    const watching = watched && watcher(kernels.float32, data, trial, watched);
    const state = new TrialState(trial, data, kernels);
    let first = 0;
    const show = (): void => {
      const points = state.curve(false, first);
      this.port.postMessage({ type: "points", id, first, points });
      first += points.step.length;
      const shown = watching?.look(state);
      if (shown) this.port.postMessage({ type: "shown", id, shown });
    };
    state.advance(0);
    show();
    let steps = 16;
    while (!state.done && !this.stopped) {
      const [began, from] = [performance.now(), state.step];
      state.advance(Math.min(from + steps, watching?.next(from) ?? Infinity));
      const each = (performance.now() - began) / Math.max(state.step - from, 1);
      steps = Math.max(1, Math.min(8 * steps, Math.floor(SLICE_MS / Math.max(each, 1e-4))));
      show();
      await turn();
    }
    this.port.postMessage({ type: "curve", id, curve: state.curve(this.stopped) });
  }
}

async function instances(modules: Modules<WebAssembly.Module>): Promise<Modules<Kernels>> {
  const float32 = await Kernels.of(modules.float32);
  return modules.float64 ? { float32, float64: await Kernels.of(modules.float64) } : { float32 };
}

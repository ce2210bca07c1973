// The kernels' module: arrays are copied into its memory, and its functions are called on them there.

import { TABLES, WORDS } from "../made/layout";

export type Numbers = Float32Array | Float64Array | BigInt64Array | BigUint64Array;
type Entry = keyof typeof TABLES;
type Given = { [name: string]: Numbers };
type Exports = { [entry in Entry]: (table: number) => number } & { memory: WebAssembly.Memory; __heap_base: WebAssembly.Global };

const ALIGNED = 64; // bytes
const PAGE = 65536;

// What lies in a module's memory until the next `load`.
export interface Loaded<T extends Given> {
  arrays: T; // as they are there
  call(numbers?: { [name: string]: number }): void;
}

// One instance of a module, with a memory of its own.
export class Kernels {
  private constructor(private readonly exports: Exports) {}

  static async of(module: WebAssembly.Module): Promise<Kernels> {
    return new Kernels((await WebAssembly.instantiate(module, {})).exports as Exports);
  }

  // Copy arrays in for calls of one function, over those of the call before. Arrays and numbers have
  // the names of `TABLES`; `shapes` says what is no vector.
  load<T extends Given>(entry: Entry, given: T, shapes: { [name in keyof T]?: number[] } = {}): Loaded<T> {
    const { memory, [entry]: run } = this.exports;
    const table: bigint[] = [];
    const places = new Map<string, number>();
    const numbers = new Map<string, number>();
    let at = aligned(this.exports.__heap_base.value as number);
    for (const [name, dimensions] of TABLES[entry]) {
      const values = given[name];
      if (dimensions === 0) {
        numbers.set(name, table.length);
        table.push(0n);
      } else {
        if (!values) throw new Error(`${entry} needs an array ${name}`);
        const shape = shapes[name] ?? [values.length];
        table.push(...[at, ...shape, ...Array<number>(WORDS - 1 - shape.length).fill(0)].map(BigInt));
        places.set(name, at);
        at = aligned(at + values.byteLength);
      }
    }
    this.reserve(at + 8 * table.length);
    const words = new BigInt64Array(memory.buffer, at, table.length);
    words.set(table);
    const arrays = Object.entries(given).map(([name, values]) => [name, copied(values, memory.buffer, places.get(name)!)]);
    return {
      arrays: Object.fromEntries(arrays) as T,
      call: (values = {}) => {
        for (const [name, place] of numbers) words[place] = BigInt(values[name] ?? 0);
        const status = run(at);
        if (status !== 0) throw new Error(`${entry} ended with ${status}`);
      },
    };
  }

  private reserve(bytes: number): void {
    const missing = Math.ceil((bytes - this.exports.memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.exports.memory.grow(missing);
  }
}

function aligned(at: number): number {
  return Math.ceil(at / ALIGNED) * ALIGNED;
}

function copied<T extends Numbers>(values: T, buffer: ArrayBufferLike, at: number): T {
  const kind = values.constructor as new (buffer: ArrayBufferLike, at: number, length: number) => T;
  const view = new kind(buffer, at, values.length);
  (view as { set(from: T): void }).set(values);
  return view;
}

// A data set, by the names of Python's `Dataset`, and how it lies in a file that web/data.py wrote.

export interface Dataset {
  name: string;
  task: "classification" | "regression";
  features: string[];
  classes: string[];
  source: string;
  time_steps: number;
  n_train: number;
  n_test: number;
  spread: [train: number, test: number]; // total sum of squares of the targets
  x_train: Float32Array; // row after row
  x_test: Float32Array;
  y_train: Int32Array | Float32Array; // classes, or targets row after row
  y_test: Int32Array | Float32Array;
  lengths_train?: Int32Array; // of sequences: time steps of each
  lengths_test?: Int32Array;
}

export function nOutputs(data: Dataset): number {
  return data.task === "classification" ? data.classes.length : data.y_train.length / data.n_train;
}

interface Header extends Omit<Dataset, "x_train" | "x_test" | "y_train" | "y_test"> {
  arrays: [name: string, kind: "int32" | "float32", length: number][];
}

// The data set in an unpacked file.
export function parsed(file: ArrayBuffer): Dataset {
  const size = new DataView(file).getUint32(0, true);
  const { arrays, ...facts } = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 4, size))) as Header;
  let at = 4 + size;
  const found = arrays.map(([name, kind, length]) => {
    const part = file.slice(at, at + 4 * length);
    at += 4 * length;
    return [name, kind === "int32" ? new Int32Array(part) : new Float32Array(part)];
  });
  if (at !== file.byteLength) throw new Error(`the data file holds ${file.byteLength} bytes and should hold ${at}`);
  return { ...facts, ...Object.fromEntries(found) } as Dataset;
}

// What is in a file as it was fetched: packed, unless the server said so and the browser has unpacked
// it already.
export async function plain(file: ArrayBuffer): Promise<ArrayBuffer> {
  const [first, second] = new Uint8Array(file);
  if (first !== 0x1f || second !== 0x8b) return file;
  return new Response(new Blob([file]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

export async function unpacked(file: ArrayBuffer): Promise<Dataset> {
  return parsed(await plain(file));
}

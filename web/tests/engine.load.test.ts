// @vitest-environment node
// Files that are missing or damaged are said to be so.

import { afterEach, expect, test, vi } from "vitest";

import { loadDataset, loadModule } from "../src/engine/load";

afterEach(() => vi.unstubAllGlobals());

function served(body: BodyInit | null, status = 200): void {
  vi.stubGlobal("fetch", async () => new Response(body, { status }));
}

async function packed(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  return new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
}

function file(header: object, ...arrays: (Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>)[]): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const parts = [new Uint8Array(Uint32Array.of(text.length).buffer), text, ...arrays.map((one) => new Uint8Array(one.buffer))];
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

const HEADER = { name: "tiny", n_train: 2, arrays: [["x_train", "float32", 2], ["y_train", "int32", 2]] };
const [X, Y] = [Float32Array.of(0.5, -1), Int32Array.of(0, 1)];

test("a data set is read", async () => {
  served(await packed(file(HEADER, X, Y)));
  expect(await loadDataset("tiny")).toEqual({ name: "tiny", n_train: 2, x_train: X, y_train: Y });
});

test("one that a server called packed, and the browser has unpacked, is read", async () => {
  served(file(HEADER, X, Y).buffer);
  expect(await loadDataset("tiny")).toMatchObject({ name: "tiny", x_train: X });
});

test.each([
  ["cut short", async () => packed(file(HEADER, X))],
  ["half of it", async () => (await packed(file(HEADER, X, Y))).slice(0, 60)],
  ["no header", async () => packed(Uint8Array.of(1, 2, 3, 4, 5, 6, 7))],
  ["empty", async () => new ArrayBuffer(0)],
])("a damaged data set: %s", async (_, bytes) => {
  served(await bytes());
  await expect(loadDataset("tiny")).rejects.toThrow("the data set is damaged");
});

test("what is not there", async () => {
  served(null, 404);
  await expect(loadDataset("tiny")).rejects.toThrow("the data set cannot be fetched: 404");
  await expect(loadModule("kernels")).rejects.toThrow("the kernels' module cannot be fetched: 404");
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("offline")));
  await expect(loadModule("kernels")).rejects.toThrow("the kernels' module cannot be fetched: TypeError: offline");
});

test("a damaged module", async () => {
  served("<html>");
  await expect(loadModule("kernels")).rejects.toThrow("this browser cannot run the kernels");
  served(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
  expect(await loadModule("kernels")).toBeInstanceOf(WebAssembly.Module);
});

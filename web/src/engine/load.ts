// Modules and data sets from where the page lies: files beside it, or data URLs within it.

import { type Dataset, plain, unpacked } from "./dataset";

async function fetched(url: string, what: string): Promise<Response> {
  // Asked anew each time (a server answers "not modified"): an old module with a new page would learn
  // something else.
  const answer = await fetch(url, { cache: "no-cache" }).catch((error: unknown) => {
    throw new Error(`${what} cannot be fetched: ${String(error)}`);
  });
  if (!answer.ok) throw new Error(`${what} cannot be fetched: ${answer.status} ${answer.statusText}`);
  return answer;
}

// A module, compiled. A browser without WebAssembly or its SIMD refuses, as it does a damaged file.
export async function loadModule(url: string): Promise<WebAssembly.Module> {
  const answer = await fetched(url, "the kernels' module");
  try {
    return await WebAssembly.compile(await answer.arrayBuffer());
  } catch (error) {
    throw new Error(`this browser cannot run the kernels: ${String(error)}`, { cause: error });
  }
}

export async function loadDataset(url: string): Promise<Dataset> {
  const answer = await fetched(url, "the data set");
  try {
    return await unpacked(await answer.arrayBuffer());
  } catch (error) {
    throw new Error(`the data set is damaged: ${String(error)}`, { cause: error });
  }
}

// A recorded run.
export async function loadJson(url: string): Promise<unknown> {
  const answer = await fetched(url, "the recorded run");
  return JSON.parse(new TextDecoder().decode(await plain(await answer.arrayBuffer())));
}

// A worker of the page. (In the one-file page this file is hire-inline.ts.)

export const hire = (): Worker => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });

import { fileURLToPath } from "node:url";

import { defineConfig } from "vitest/config";

// The page is built into the Python package, which serves it; nothing is loaded from elsewhere.
// With --mode single all of it goes into one file, of which `evenbatch lesson --export` makes the page
// that needs nothing beside it.
export default defineConfig(({ mode }) => ({
  base: "./",
  resolve: { alias: mode === "single" ? [{ find: /^.*\/engine\/hire$/, replacement: fileURLToPath(new URL("src/engine/hire-inline.ts", import.meta.url)) }] : [] },
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    outDir: mode === "single" ? "../src/evenbatch/lesson/page/single" : "../src/evenbatch/lesson/page",
    emptyOutDir: true,
    rollupOptions: mode === "single" ? { output: { inlineDynamicImports: true, entryFileNames: "lesson.js", assetFileNames: "lesson[extname]" } } : {},
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  test: { environment: "happy-dom", include: ["tests/*.test.{ts,tsx}"] },
  server: { proxy: { "/live": { target: "ws://127.0.0.1:8765", ws: true } } },
}));

import { defineConfig } from "vitest/config";

// The page is built into the Python package, which serves it; nothing is loaded from elsewhere.
export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    outDir: "../src/evenbatch/lesson/page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { environment: "happy-dom", include: ["tests/*.test.{ts,tsx}"] },
  server: { proxy: { "/live": { target: "ws://127.0.0.1:8765", ws: true } } },
});

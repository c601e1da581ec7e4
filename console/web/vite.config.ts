import { defineConfig } from "vite";

// The server's policy allows nothing inline, so nothing is inlined: neither small files nor the helper that preloads modules.
export default defineConfig({
  base: "/console/",
  build: { outDir: "../dist/site", emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022" },
  oxc: { jsx: { runtime: "automatic" } },
  server: { proxy: { "^/(farebox|dynamicmonetization)/": "http://127.0.0.1:8080" } },
});

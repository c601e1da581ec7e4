import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests",
  workers: 3, // of which one or another always waits
  timeout: 300_000, // these are for machines with much else to do: what is right takes seconds
  expect: { timeout: 60_000 },
  reporter: "list",
  use: { launchOptions: { executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] } },
});

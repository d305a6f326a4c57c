// The TypeScript client in headless Chromium, bundled into a page of another origin, against a running service; see environment.mjs.
// MAILAGENT_TEST_CHROMIUM names the browser. Exits with 1 when something is wrong.

import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { chromium } from "playwright-core";

import { environment } from "./environment.mjs";

const log = (line) => console.log(`browser: ${line}`);

const bundle = await build({
  entryPoints: [fileURLToPath(new URL("checks.mjs", import.meta.url))],
  bundle: true,
  format: "iife",
  globalName: "checks",
  platform: "browser",
  target: "es2022",
  write: false,
});
const files = {
  "/": { type: "text/html; charset=utf-8", body: '<!doctype html><link rel="icon" href="data:,"><title>check</title><script src="/checks.js"></script>' },
  "/checks.js": { type: "text/javascript; charset=utf-8", body: bundle.outputFiles[0].contents },
};

const pages = createServer((request, response) => {
  const file = files[request.url];
  response.writeHead(file ? 200 : 404, { "content-type": file?.type ?? "text/plain" });
  response.end(file?.body);
});
await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));

const browser = await chromium.launch({
  executablePath: process.env.MAILAGENT_TEST_CHROMIUM || "/usr/bin/chromium",
  // Chromium's sandbox refuses root, as which containers run. Only our own page is opened.
  chromiumSandbox: process.getuid?.() !== 0,
});
try {
  const page = await browser.newPage();
  page.on("console", (message) => log(`console: ${message.text()}`));
  page.on("pageerror", (error) => log(`page error: ${error}`));
  await page.exposeFunction("log", log);
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
  log(`bundle of ${files["/checks.js"].body.length} bytes, Chromium ${browser.version()}`);
  await page.evaluate((what) => globalThis.checks.check({ ...what, log: globalThis.log }), environment);
} finally {
  await browser.close();
  pages.closeAllConnections();
  pages.close();
}

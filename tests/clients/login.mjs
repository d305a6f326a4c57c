// A person in headless Chromium who logs in at the provider's page, as another account first, then declines there, then here, then as the right
// one. Reads one line of JSON: `{"pages": [url, url, url, url], "other": address, "account": address, "screenshots": folder or ""}`.
// MAILAGENT_TEST_CHROMIUM names the browser. Exits with 1 when something is wrong.

import assert from "node:assert/strict";

import { chromium } from "playwright-core";

const { pages, other, account, screenshots } = JSON.parse(process.env.MAILAGENT_TEST_LOGIN);
const browser = await chromium.launch({
  executablePath: process.env.MAILAGENT_TEST_CHROMIUM || "/usr/bin/chromium",
  // Chromium's sandbox refuses root, as which containers run. Only pages of this machine are opened.
  chromiumSandbox: process.getuid?.() !== 0,
});
try {
  const page = await browser.newPage({ viewport: { width: 900, height: 620 } });
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));

  const seen = async (name) => {
    if (screenshots) await page.screenshot({ path: `${screenshots}/${name}.png` });
    assert.equal(await page.title(), `${await page.locator("h1").innerText()} - mailagent`);
    // The style sheet passes the page's own policy: nothing else would give the card its shade.
    assert.notEqual(await page.locator("main").evaluate((main) => getComputedStyle(main).boxShadow), "none");
    return page.locator("main").innerText();
  };

  /** Goes through the provider's page by a button, answers the service's own page with another one, and tells what that says then. */
  const go = async (address, button, name, answer) => {
    await page.goto(address);
    if (screenshots) await page.screenshot({ path: `${screenshots}/provider.png` });
    await page.getByRole("button", { name: button, exact: true }).click();
    await page.waitForURL(/\/oauth\/callback\?/);
    if (!answer) return seen(name);
    const asked = await seen(`${name}-asked`);
    for (const words of [/Connect this mailbox/, new RegExp(account), /users\/anna/, /Requested by/, /contoso/]) assert.match(asked, words);
    await page.getByRole("button", { name: answer, exact: true }).click();
    await page.waitForURL(/\/oauth\/callback$/);
    return seen(name);
  };

  const mismatch = await go(pages[0], other, "mismatch", "Connect");
  assert.match(mismatch, /Login failed/);
  assert.match(mismatch, new RegExp(`The account ${other} logged in`));
  assert.match(mismatch, /You may close this page/);
  const declined = await go(pages[1], "Cancel", "declined");
  assert.match(declined, /was declined/);
  const unwanted = await go(pages[2], account, "unwanted", "Do not connect");
  assert.match(unwanted, /Nothing was connected/);
  let back = "";
  page.on("framenavigated", (frame) => {
    if (frame.url().includes("?")) back = frame.url();
  });
  const completed = await go(pages[3], account, "completed", "Connect");
  assert.match(completed, /You are logged in/);
  assert.match(completed, new RegExp(account));
  assert.match(completed, /You may close this page/);
  // Opened again, as people do who go back: told in words, and nothing changes.
  await page.goto(back);
  assert.match(await page.locator("main").innerText(), /already completed/);

  // Failing statuses are told to the console by the browser itself; nothing else may be there.
  const others = complaints.filter((text) => !/status of 400/.test(text));
  assert.deepEqual(others, []);
  console.log("login: as another account, declined, as the right one");
} finally {
  await browser.close();
}

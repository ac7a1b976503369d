// What the scenarios share: Chromium, a person who is logged in, a terminal that can be asked, and the server's ear.
// In: ADDRESS, SETUP_CODE, ARTIFACTS and SCRATCH of the environment. A line on stdout that begins with @ asks tests/browser.rs to do
// something with the server; its answer comes on stdin.
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const SERVER = new URL(process.env.ADDRESS);
export const SCRATCH = process.env.SCRATCH;
const ARTIFACTS = process.env.ARTIFACTS;
export const PASSWORD = "correct horse battery";
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks the test program: `kill`, `begin`, `gantry ARGS…`. Returns its answer. */
export async function ask(...words) {
  console.log(`@${JSON.stringify(words)}`);
  const { value } = await answers.next();
  const { ok, failed } = JSON.parse(value);
  if (failed !== undefined) throw new Error(`${words.join(" ")}: ${failed}`);
  return ok;
}

/** Runs a scenario to its end; what went wrong ends the program with the page as it was. */
export async function scenario(play) {
  mkdirSync(ARTIFACTS, { recursive: true });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: ARGS });
  const pages = [];
  const odd = [];
  const { address, network } = await line();
  const open = async (options = {}) => {
    const context = await browser.newContext({ baseURL: address, viewport: { width: 1280, height: 800 }, ...options });
    context.on("page", (page) => {
      pages.push(page);
      page.on("pageerror", (error) => odd.push(`${page.url()}: ${error.stack ?? error}`));
      page.on("console", (message) => {
        if (/Content.Security.Policy|violates the following/i.test(message.text())) odd.push(`${page.url()}: ${message.text()}`);
      });
    });
    return context;
  };
  try {
    await play({ browser, open, network });
    same(odd, [], "scripts failed or broke the content security policy");
  } catch (error) {
    for (const [index, page] of pages.entries()) if (!page.isClosed()) await page.screenshot({ path: artifact(`failed-${index}`) }).catch(() => undefined);
    console.error(error.stack ?? error);
    if (odd.length > 0) console.error(odd.join("\n"));
    process.exitCode = 1;
  }
  await browser.close();
  process.exit();
}

/** The way from the browser to the server, which can be lost: then what is sent goes nowhere, as when a cable is pulled. */
async function line() {
  let cut = false;
  const proxy = createServer((near) => {
    if (cut) return void near.on("error", () => undefined);
    const far = connect(Number(SERVER.port), SERVER.hostname);
    const pass = (from, to) => {
      from.on("data", (bytes) => {
        if (near.lost) return;
        if (!to.write(bytes)) from.pause();
      });
      to.on("drain", () => from.resume());
      from.on("end", () => near.lost || to.end());
      from.on("error", () => to.destroy());
    };
    pass(near, far);
    pass(far, near);
    near.on("close", () => far.destroy());
    open.add(near);
    near.on("close", () => open.delete(near));
  });
  const open = new Set();
  await new Promise((ready) => proxy.listen(0, "127.0.0.1", ready));
  const network = {
    cut() {
      cut = true;
      for (const near of open) near.lost = true;
    },
    mend() {
      cut = false;
      // The browser would wait for ever on what it kept open.
      for (const near of open) if (near.lost) near.destroy();
    },
  };
  return { address: `http://127.0.0.1:${proxy.address().port}`, network };
}

export const artifact = (name) => join(ARTIFACTS, `${name}.png`);

export function same(given, wanted, what) {
  const [left, right] = [JSON.stringify(given), JSON.stringify(wanted)];
  if (left !== right) throw new Error(`${what}: ${left.slice(0, 600)} is not ${right.slice(0, 600)}`);
}

export function holds(condition, what) {
  if (!condition) throw new Error(what);
}

/** Waits until `ready` gives something; a loaded machine is slow. */
export async function until(what, ready, limit = 60_000) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await ready();
    if (value) return value;
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Makes the admin with the setup code, or logs in. */
export async function enter(page) {
  await page.goto("/");
  if (page.url().includes("/setup")) {
    await page.fill("[name=code]", process.env.SETUP_CODE);
    await page.fill("[name=name]", "ann");
    await page.fill("[name=password]", PASSWORD);
    await page.fill("[name=again]", PASSWORD);
  } else {
    await page.fill("[name=name]", "ann");
    await page.fill("[name=password]", PASSWORD);
  }
  await Promise.all([page.waitForURL(/\/$/), page.press("[name=password]", "Enter")]);
}

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Hashes in the page what the terminal draws, every byte in order, over all connections of the page. Before the page is loaded. */
export async function recordOutput(context) {
  await context.addInitScript(() => {
    window.recorded = { chunks: [], length: 0, next: null, wrong: null };
    document.addEventListener("terminal:output", ({ detail: { bytes, offset } }) => {
      const { recorded } = window;
      if (recorded.next !== null && recorded.next !== offset) recorded.wrong ??= `byte ${offset} came after ${recorded.next}`;
      recorded.next = offset + bytes.length;
      recorded.length += bytes.length;
      recorded.chunks.push(bytes.slice());
    });
  });
}

/** A page on a terminal. */
export class Shell {
  constructor(page) {
    this.page = page;
  }

  static async open(page, container, { command = "", user = "" } = {}) {
    await page.goto(`/containers/${container}/terminal`);
    await page.fill("[name=command]", command);
    await page.fill("[name=user]", user);
    await Promise.all([page.waitForURL(/\/terminals\//), page.click('button:has-text("Open a terminal")')]);
    const shell = new Shell(page);
    await shell.connected();
    return shell;
  }

  connected() {
    return this.page.waitForSelector('[data-terminal][data-state="open"]', { timeout: 60_000 });
  }

  /** The lines on the screen and in the scrollback, as text. */
  text() {
    return this.page.evaluate(() => {
      const buffer = document.querySelector("[data-terminal]")?.terminal?.buffer;
      const lines = [];
      if (!buffer) return "";
      for (let y = 0; y < buffer.active.length; y++) {
        const line = buffer.active.getLine(y);
        if (line.isWrapped) lines[lines.length - 1] += line.translateToString(true);
        else lines.push(line.translateToString(true));
      }
      return lines.join("\n").trimEnd();
    });
  }

  /** Types a line and waits for a line of output that is exactly `wanted`. */
  async run(line, wanted) {
    await this.page.locator(".xterm-helper-textarea").focus();
    await this.page.keyboard.type(line);
    await this.page.keyboard.press("Enter");
    await this.shows(wanted);
  }

  shows(wanted) {
    return until(`the terminal shows ${wanted}`, async () => (await this.text()).split("\n").includes(wanted)).catch(async (error) => {
      throw new Error(`${error.message}\n${(await this.text()).slice(-2000)}`);
    });
  }

  /** As if it came from the clipboard. */
  paste(text) {
    return this.page.evaluate((text) => document.querySelector("[data-terminal]").terminal.paste(text), text);
  }

  size() {
    return this.page.evaluate(() => {
      const { cols, rows } = document.querySelector("[data-terminal]").terminal;
      return { cols, rows };
    });
  }

  status() {
    return this.page.textContent("[data-terminal-status]");
  }
}

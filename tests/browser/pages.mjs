// Every page: as screenshots for people (desktop, phone, light and dark), for axe without a serious finding, without scripts,
// and within its budget of bytes on a first visit.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { artifact, enter, holds, same, scenario, Shell, until } from "./browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LIST_BYTES = 40 << 10;
const TERMINAL_BYTES = 130 << 10;
const PHONE = { width: 390, height: 844 };

const PAGES = {
  dashboard: "/",
  containers: "/containers",
  "container-new": "/new-container",
  container: "/containers/box",
  "container-logs": "/containers/talker/logs",
  "container-terminals": "/containers/box/terminal",
  "container-stats": "/containers/box/stats",
  "container-processes": "/containers/box/processes",
  "container-isolation": "/containers/box/isolation",
  "container-inspect": "/containers/box/inspect",
  "container-rename": "/containers/idle/rename",
  "container-stopped": "/containers/idle",
  images: "/images",
  "image-new": "/new-image",
  image: "/images/busybox",
  jobs: "/jobs",
  events: "/events",
  settings: "/settings",
  account: "/account",
  users: "/users",
  missing: "/no-such-page",
};

await scenario(async ({ open }) => {
  const context = await open();
  const page = await context.newPage();
  await enter(page);
  const shell = await Shell.open(page, "box");
  await shell.run("echo hello; ls -la /", "hello");
  const all = { ...PAGES, terminal: new URL(page.url()).pathname };
  const state = await context.storageState();

  console.log("screenshots and axe");
  const found = [];
  for (const [look, options] of Object.entries({
    light: { colorScheme: "light" },
    dark: { colorScheme: "dark" },
    phone: { viewport: PHONE, colorScheme: "light", hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
  })) {
    const there = await (await open({ storageState: state, bypassCSP: true, ...options })).newPage();
    for (const [name, path] of Object.entries(all)) {
      await there.goto(path);
      if (name === "terminal") await new Shell(there).shows("hello");
      await there.screenshot({ path: artifact(`${name}-${look}`), fullPage: name !== "terminal" });
      const wide = await there.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) found.push(`${name}-${look}: ${wide} pixels wider than the window`);
      await there.evaluate(AXE);
      const { violations } = await there.evaluate(() => window.axe.run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
      for (const { id, impact, nodes } of violations)
        if (["serious", "critical"].includes(impact)) found.push(`${name}-${look}: ${id} (${impact}): ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
    }
  }
  for (const finding of found) console.log(finding);
  const mine = found;

  console.log("bytes of a first visit");
  const heavy = [];
  for (const [name, path] of Object.entries(all)) {
    const fresh = await open({ storageState: state });
    const there = await fresh.newPage();
    const session = await fresh.newCDPSession(there);
    await session.send("Network.enable");
    let bytes = 0;
    session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
    await there.goto(path);
    await there.waitForLoadState("load");
    if (name === "terminal") await new Shell(there).shows("hello");
    const most = name === "terminal" ? TERMINAL_BYTES : LIST_BYTES;
    console.log(`${name}: ${bytes} bytes`);
    if (bytes > most) heavy.push(`${name}: ${bytes} bytes, more than ${most}`);
    await fresh.close();
  }

  console.log("without scripts");
  const plain = await (await open({ storageState: state, javaScriptEnabled: false })).newPage();
  for (const [name, path] of Object.entries(all)) {
    const answer = await plain.goto(path);
    same(answer.status(), name === "missing" ? 404 : 200, `${name} without scripts`);
    holds(await plain.locator("h1").count() === 1, `${name} has one heading`);
  }
  await plain.goto(all.terminal);
  holds((await plain.textContent("main")).includes("gantry exec -it box"), "the terminal page tells the command instead");
  await plain.screenshot({ path: artifact("terminal-without-scripts") });
  await plain.goto("/containers");
  await plain.check("[name=id][value=idle]");
  await Promise.all([plain.waitForResponse((answer) => answer.request().method() === "POST"), plain.click("[name=act][value=start]")]);
  await until("it was started without a script", async () => {
    await plain.goto("/containers/idle");
    return /exited|stopped|ended/i.test(await plain.textContent("#head")) || /running/.test(await plain.textContent("#head"));
  });
  await plain.goto("/containers/box/terminal");
  await Promise.all([plain.waitForURL(/\/terminals\//), plain.click('button:has-text("Open a terminal")')]);

  same(heavy, [], "pages are within their budget");
  same(mine, [], "pages are accessible and fit their window");
});

// The terminal holds: exact bytes both ways, through a reload, a lost network and a killed server, for two people at once.
import { ask, artifact, enter, holds, recordOutput, same, scenario, sha256, Shell, until } from "./browser.mjs";

await scenario(async ({ open, network }) => {
  const context = await open();
  await recordOutput(context);
  const page = await context.newPage();
  await enter(page);

  console.log("keys reach the shell and its output the page");
  const shell = await Shell.open(page, "box");
  await shell.run("echo $((6*7))", "42");
  await page.screenshot({ path: artifact("terminal") });

  console.log("the size reaches the terminal in both axes");
  for (const viewport of [{ width: 900, height: 560 }, { width: 1400, height: 900 }]) {
    await page.setViewportSize(viewport);
    const before = await shell.size();
    await until("the size is the window's", async () => JSON.stringify(await shell.size()) !== JSON.stringify(before), 3_000).catch(() => undefined);
    await page.waitForTimeout(300);
    const { cols, rows } = await shell.size();
    await shell.run(`stty size | sed 's/^/size-${viewport.width}: /'`, `size-${viewport.width}: ${rows} ${cols}`);
  }

  console.log("letters of all kinds, and what an input method composes, arrive as UTF-8");
  const text = "é 中文 😀 ﷽ Ω";
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("cat > /tmp/typed");
  await page.keyboard.press("Enter");
  await page.keyboard.insertText(text);
  const session = await context.newCDPSession(page);
  await session.send("Input.imeSetComposition", { text: "に", selectionStart: 1, selectionEnd: 1 });
  await session.send("Input.imeSetComposition", { text: "にほ", selectionStart: 2, selectionEnd: 2 });
  await session.send("Input.insertText", { text: "日本" });
  await page.waitForTimeout(100);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+d");
  await shell.run("sha256sum < /tmp/typed", `${sha256(`${text}日本\n`)}  -`);

  console.log("a paste of 10 MB arrives exact");
  const line = "0123456789 äöü 中文 abcdefghijklmnopqrstuvwxyz\n";
  const pasted = line.repeat(Math.ceil(10_000_000 / Buffer.byteLength(line)));
  const size = Buffer.byteLength(pasted);
  await page.keyboard.type(`stty -echo; head -c ${size} > /tmp/pasted; stty echo; sha256sum < /tmp/pasted`);
  await page.keyboard.press("Enter");
  await until("the shell is ready for it", async () => (await ask("gantry", "exec", "box", "sh", "-c", "test -e /tmp/pasted && echo yes || true")).trim() === "yes");
  await shell.paste(pasted);
  await shell.shows(`${sha256(pasted)}  -`);

  console.log("a reload resumes with its scrollback");
  const before = await shell.text();
  await page.reload();
  await shell.connected();
  await until("all is there again", async () => (await shell.text()).includes(before.slice(0, 200)));
  await shell.run("echo still $((40+2))", "still 42");

  console.log("a lost network is got over, and nothing is lost");
  await page.keyboard.type("for i in $(seq 1 200); do echo line $i; sleep 0.05; done; echo all lines");
  await page.keyboard.press("Enter");
  await shell.shows("line 5");
  network.cut();
  await context.setOffline(true);
  await page.waitForSelector('[data-terminal][data-state="offline"]', { timeout: 60_000 });
  await page.screenshot({ path: artifact("terminal-offline") });
  await page.waitForTimeout(3_000);
  network.mend();
  await context.setOffline(false);
  await shell.connected();
  holds(/Resumed after \d+ s offline/.test(await shell.status()), `the page says that it resumed: ${await shell.status()}`);
  await shell.shows("all lines");
  const lines = (await shell.text()).split("\n").filter((line) => /^line \d+$/.test(line));
  same(lines, Array.from({ length: 200 }, (_, index) => `line ${index + 1}`), "lines");

  console.log("kill -9 of the server in the middle of five million lines");
  const flood = await Shell.open(page, "box", { command: "sh -c 'stty -opost; read go; seq 1 5000000'" });
  await page.keyboard.press("Enter");
  const received = () => page.evaluate(() => window.recorded.length);
  await until("a part has come", async () => (await received()) > 4_000_000);
  await ask("kill");
  const atKill = await received();
  await page.waitForSelector('[data-terminal][data-state="offline"]', { timeout: 60_000 });
  await page.waitForTimeout(1_000);
  await ask("begin");
  same((await ask("gantry", "ps", "-q")).trim().split("\n").length, 20, "containers that run on");
  await page.waitForSelector("[data-terminal-ended]:not([hidden])", { timeout: 180_000 });
  const wanted = await ask("gantry", "exec", "box", "sh", "-c", "seq 1 5000000 | sha256sum; seq 1 5000000 | wc -c");
  const [hash, length] = wanted.trim().split(/\s+-?\s*/);
  const got = await page.evaluate(async () => {
    const { chunks, length, wrong } = window.recorded;
    const all = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    // The echo of the Enter key comes first, before `stty` or after it.
    const first = all.indexOf(0x31);
    const digest = await crypto.subtle.digest("SHA-256", all.subarray(first));
    return { wrong, length: length - first, hash: [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
  });
  console.log(`killed after ${atKill} of ${length} bytes; the browser has ${got.length}, ${got.hash}`);
  holds(atKill < Number(length), "the server was killed in the middle");
  same(got, { wrong: null, length: Number(length), hash }, "what the browser got");
  await page.screenshot({ path: artifact("terminal-ended") });

  console.log("two people in one session");
  const first = await Shell.open(page, "box");
  const otherContext = await open({ viewport: { width: 800, height: 600 } });
  const otherPage = await otherContext.newPage();
  await enter(otherPage);
  await otherPage.goto(page.url());
  const second = new Shell(otherPage);
  await second.connected();
  await first.run("echo from $((1+0))", "from 1");
  await second.shows("from 1");
  await second.run("echo from $((1+1))", "from 2");
  await first.shows("from 2");
  await until("both are told of", async () => (await page.textContent("[data-terminal-viewers]")) === "2 watching");
  same(await first.size(), await second.size(), "the size is the same for both");
  await second.run("stty size | sed 's/^/now: /'", `now: ${(await second.size()).rows} ${(await second.size()).cols}`);
  await page.screenshot({ path: artifact("terminal-other-size") });
  await otherPage.screenshot({ path: artifact("terminal-second") });
  await otherContext.close();
  await until("one is left", async () => (await page.textContent("[data-terminal-viewers]")) === "");
  await page.locator(".xterm-helper-textarea").focus();
  await first.run("echo and back", "and back");

  console.log("search, and a keyboard that leaves the terminal");
  await page.keyboard.press("Control+Shift+F");
  await page.keyboard.type("from 2");
  await until("it is found", async () => /of \d/.test(await page.textContent("[data-terminal-search] output")));
  await page.screenshot({ path: artifact("terminal-search") });
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+Shift+L");
  same(await page.evaluate(() => document.activeElement.dataset.tool), "search", "the focus is on the first button");

  console.log("the main process's terminal");
  await page.goto("/containers/box/attach");
  const main = new Shell(page);
  await main.connected();
  await main.run("echo main $$", "main 1");
  await page.reload();
  await main.connected();
  await main.shows("main 1");

  console.log("a container that stops ends its terminals with a reason");
  const last = await Shell.open(page, "box");
  await ask("gantry", "stop", "-t", "0", "box");
  await page.waitForSelector("[data-terminal-ended]:not([hidden])");
  const reason = await page.textContent("[data-terminal-reason]");
  holds(/stopped/.test(reason), `the reason says so: ${reason}`);
  await page.screenshot({ path: artifact("terminal-stopped") });
  await page.reload();
  const after = await page.textContent("main");
  holds(/This terminal is closed/.test(after) && /stopped|ended with code/.test(after), `the reason is there after a reload: ${after}`);
  void last;
});

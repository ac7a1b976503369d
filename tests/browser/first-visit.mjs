// A fresh server: from the setup code to a shell, with the mouse and the keyboard only.
import { artifact, enter, holds, SCRATCH, scenario, Shell, until } from "./browser.mjs";

await scenario(async ({ open }) => {
  const context = await open();
  const page = await context.newPage();

  console.log("the setup code makes the admin, once");
  await page.goto("/");
  holds(page.url().endsWith("/setup"), `the first page is the set-up: ${page.url()}`);
  await page.screenshot({ path: artifact("setup") });
  await page.fill("[name=code]", "aaaa-bbbb-cccc");
  await page.fill("[name=name]", "ann");
  await page.fill("[name=password]", "correct horse battery");
  await page.fill("[name=again]", "correct horse battery");
  await page.press("[name=password]", "Enter");
  await page.waitForSelector("[role=alert]");
  await enter(page);
  const stranger = await (await open()).newPage();
  await stranger.goto("/setup");
  holds(stranger.url().includes("/login"), `there is no second set-up: ${stranger.url()}`);
  await stranger.screenshot({ path: artifact("login") });

  console.log("an image comes by drag and drop, and its job tells how far it is");
  await page.goto("/new-image");
  const form = page.locator("form[action='/new-image/import']");
  await form.locator("[name=name]").fill("demo/busybox:1");
  await form.locator("[name=changes]").fill('CMD ["sh"]');
  await drop(page, form.locator("[data-drop]"), `${SCRATCH}/rootfs.tar`);
  await Promise.all([page.waitForURL(/\/jobs\//), form.locator("button").click()]);
  await until("the import is done", async () => (await page.textContent("main")).includes("done"));
  await page.screenshot({ path: artifact("job") });
  await page.goto("/images");
  holds((await page.textContent("main")).includes("demo/busybox:1"), "the image is in the list");

  console.log("a form makes a container and starts it");
  await page.goto("/new-container?image=demo%2Fbusybox%3A1");
  await page.fill("[name=image]", "demo/busybox:1");
  await page.fill("[name=name]", "first");
  await page.locator("details.group:not([open]) > summary").evaluateAll((all) => all.forEach((one) => one.click()));
  await page.check("[name=tty]");
  await page.check("[name=stdin]");
  await page.check("[name=start]");
  await page.screenshot({ path: artifact("create"), fullPage: true });
  await Promise.all([page.waitForURL(/\/containers\/first/), page.click("button:text-is('Create')")]);
  await until("it runs", async () => (await page.textContent("#head")).includes("running"));

  console.log("a shell in it says 42");
  await page.click("nav.tabs >> text=Terminal");
  const shell = await Shell.open(page, "first");
  await shell.run("echo $((6*7))", "42");

  console.log("Ctrl-K finds it from anywhere");
  await page.goto("/jobs");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("fir");
  await page.waitForSelector("dialog.find a:has-text('first')");
  await page.screenshot({ path: artifact("find") });
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/containers\/first$/);

  console.log("it stops in the list, which says so by itself");
  const watcher = await context.newPage();
  await watcher.goto("/containers");
  await watcher.waitForSelector("tr:has-text('first') >> text=running");
  await page.click("button[value=stop]");
  await page.waitForLoadState();
  const sure = page.locator("form:has([name=sure]) button[data-look=bad-main]");
  if (await sure.count()) await sure.click();
  await until("the list changed by itself", async () => !/running/.test(await watcher.textContent("tr:has-text('first')")));
  await watcher.screenshot({ path: artifact("containers-stopped") });
});

/** Drops a file as a person does with the mouse. */
async function drop(page, target, path) {
  const { readFileSync } = await import("node:fs");
  const bytes = readFileSync(path).toString("base64");
  const transfer = await page.evaluateHandle((bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], "rootfs.tar"));
    return data;
  }, bytes);
  await target.dispatchEvent("dragover", { dataTransfer: transfer });
  await target.dispatchEvent("drop", { dataTransfer: transfer });
}

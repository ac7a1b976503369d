/**
 * Joins a `[data-terminal]` element to its session: keys go as bytes, output is drawn as bytes, and the line comes back by itself.
 * The page around it is the server's (web/templates/terminal); only its parts named by `data-terminal-…` are touched.
 */
import { FitAddon } from "@xterm/addon-fit";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import { binary } from "./bytes";
import { bindChords, bindKeys } from "./keys";
import { Link, type Size } from "./link";
import { followTheme } from "./palette";
import { bindSearch } from "./search";
import { silence } from "./silence";
import { bytes as amount, Status, seconds } from "./status";
import { bindTools, remembered } from "./tools";

export function bind(host: HTMLElement): void {
  const screen = host.querySelector<HTMLElement>("[data-terminal-screen]");
  const path = host.dataset["terminal"];
  if (!screen || !path) return;
  const terminal = new Terminal({
    allowProposedApi: true,
    scrollback: 10_000,
    fontFamily: getComputedStyle(screen).fontFamily,
    fontSize: remembered("font-size", 14),
    screenReaderMode: remembered("reader", false),
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    minimumContrastRatio: 4.5,
    macOptionIsMeta: true,
  });
  // For whoever looks on: a test, an extension, the console.
  Object.assign(host, { terminal });
  followTheme(terminal, host);
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.loadAddon(new WebLinksAddon());
  terminal.open(screen);
  const status = new Status(host);
  const note = (text: string) => terminal.write(`\r\n\x1b[0;7m ${text} \x1b[0m\r\n`);
  let burst = 0;
  let mine = true;
  let drawnTo = 0;

  const link = new Link(path, {
    output(bytes, offset, drawn) {
      host.dispatchEvent(new CustomEvent("terminal:output", { bubbles: true, detail: { bytes, offset } }));
      burst += bytes.length;
      if (burst > 1 << 20) status.show("busy", `Catching up: ${amount(burst)}`);
      terminal.write(bytes, () => {
        drawn();
        drawnTo = offset + bytes.length;
        host.dataset["drawn"] = String(drawnTo);
      });
    },
    anew() {
      terminal.reset();
      drawnTo = 0;
    },
    gap(from, to) {
      note(from === 0 ? `the first ${amount(to)} are no longer kept` : `${amount(to - from)} of output are lost here`);
    },
    viewers: (names) => status.viewers(names),
    size(size, yours) {
      mine = yours;
      host.toggleAttribute("data-other-size", !yours);
      terminal.resize(size.cols, size.rows);
    },
    waiting(since) {
      terminal.options.disableStdin = true;
      status.offline(since);
    },
    resumed(awayMs, lost) {
      terminal.options.disableStdin = false;
      const lostText = lost > 0 ? ` The last ${amount(lost)} you sent may not have arrived.` : "";
      status.brief((awayMs > 0 ? `Resumed after ${seconds(awayMs)} offline.` : "Connected.") + lostText);
    },
    ended(reason, code) {
      terminal.options.disableStdin = true;
      terminal.options.cursorBlink = false;
      status.show("ended", "");
      const box = host.querySelector<HTMLElement>("[data-terminal-ended]");
      const text = box?.querySelector<HTMLElement>("[data-terminal-reason]");
      if (text) text.textContent = sentence(reason, code);
      if (box) box.hidden = false;
      host.dataset["reason"] = reason;
    },
    signedOut() {
      terminal.options.disableStdin = true;
      status.show("ended", "You are logged out. The session goes on; log in again to come back to it.");
      host.querySelector<HTMLElement>("[data-terminal-login]")?.removeAttribute("hidden");
    },
  });
  silence(terminal, () => !mine || drawnTo < link.replayed);
  // A pause in a long replay is its end.
  setInterval(() => {
    if (burst > 0 && host.dataset["state"] === "busy") status.brief(`Caught up: ${amount(burst)}`);
    burst = 0;
  }, 1_000);

  const encoder = new TextEncoder();
  const send = (text: string) => link.isOpen && link.input(encoder.encode(text));
  const keys = bindKeys(host, terminal, send);
  terminal.onData((text) => {
    link.input(encoder.encode(keys.held(text)));
    if (link.waiting > 1 << 20) status.show("busy", `Sending: ${amount(link.waiting)} to go`);
  });
  terminal.onBinary((text) => link.input(binary(text)));
  terminal.textarea?.addEventListener("focus", () => link.active());

  const measure = () => {
    const wish = fit.proposeDimensions();
    if (!wish || Number.isNaN(wish.cols) || Number.isNaN(wish.rows)) return;
    const size: Size = { cols: Math.max(2, wish.cols), rows: Math.max(1, wish.rows) };
    link.size(size);
    if (mine) terminal.resize(size.cols, size.rows);
  };
  new ResizeObserver(measure).observe(screen);
  const search = bindSearch(host, terminal);
  const tools = bindTools(host, terminal, { search, measure });
  bindChords(terminal, { copy: tools.copy, search, leave: tools.leave });
  measure();
  terminal.focus();
}

function sentence(reason: string, code: number | null): string {
  const text = reason.charAt(0).toUpperCase() + reason.slice(1);
  return code === null || /\d/.test(reason) ? `${text}.` : `${text} (exit code ${code}).`;
}

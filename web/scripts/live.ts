/**
 * Keeps a page true while it is open: server/pages/live.rs sends pieces of HTML, and this puts them in place.
 * What the reader is doing (ticked boxes, the focus, open details, a place in a log) stays as it is.
 */

const LONGEST_WAIT_MS = 10_000;

export function live(path: string): void {
  let source: EventSource | undefined;
  let tries = 0;
  let over = false;
  // A stream of numbered events must not be opened anew by us: only the browser's own new try goes on after the last one.
  let numbered = false;
  const show = (state: string) => {
    for (const badge of document.querySelectorAll<HTMLElement>("[data-live-state]")) badge.dataset["liveState"] = badge.textContent = state;
  };
  const end = () => {
    over = true;
    source?.close();
    show("ended");
  };
  const open = () => {
    if (over || document.hidden) return;
    source?.close();
    source = new EventSource(path);
    const on = (name: string, act: (data: string) => void) =>
      source?.addEventListener(name, (event: MessageEvent<string>) => {
        numbered ||= event.lastEventId !== "";
        act(event.data);
      });
    on("swap", (data) => pieces(data).forEach(swap));
    on("add", add);
    on("drop", (id) => document.getElementById(id)?.remove());
    on("stale", () => location.reload());
    on("end", end);
    source.onopen = () => {
      tries = 0;
      show("live");
    };
    source.onerror = () => {
      if (over) return;
      show("offline");
      if (tries === 0) void leaveIfLoggedOut(path);
      if (numbered && source?.readyState === EventSource.CONNECTING) return;
      source?.close();
      setTimeout(open, Math.min(LONGEST_WAIT_MS, 300 * 2 ** tries++));
    };
  };
  document.addEventListener("visibilitychange", () => {
    if (numbered) return;
    if (document.hidden) source?.close();
    else open();
  });
  open();
}

async function leaveIfLoggedOut(path: string): Promise<void> {
  const abort = new AbortController();
  const answer = await fetch(path, { redirect: "manual", signal: abort.signal }).catch(() => undefined);
  if (answer && (answer.status === 401 || answer.type === "opaqueredirect")) location.reload();
  abort.abort();
}

/** Table rows can't stand alone in a parsed page, so they come through a template. */
function pieces(html: string): Element[] {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.children];
}

function swap(fresh: Element): boolean {
  const old = document.getElementById(fresh.id);
  if (!old || !fresh.id) return false;
  if (old.isEqualNode(fresh)) return true;
  keepTicks(old, fresh);
  keepDetails(old, fresh);
  const focus = focusIn(old);
  old.replaceWith(fresh);
  focus?.(fresh);
  return true;
}

function keepTicks(old: Element, fresh: Element): void {
  for (const box of old.querySelectorAll<HTMLInputElement>("input[type=checkbox]")) {
    const same = [...fresh.querySelectorAll<HTMLInputElement>("input[type=checkbox]")].find((other) => other.name === box.name && other.value === box.value);
    if (same) same.checked = box.checked;
  }
}

function keepDetails(old: Element, fresh: Element): void {
  const now = fresh.querySelectorAll("details");
  old.querySelectorAll("details").forEach((details, index) => {
    if (details.open && now[index]) now[index].open = true;
  });
}

/** How to find what has the focus again: by id, else by its place among those that can have it. */
function focusIn(old: Element): ((fresh: Element) => void) | undefined {
  const active = document.activeElement;
  if (!(active instanceof HTMLElement) || !old.contains(active)) return undefined;
  const focusable = "a[href],button,input,select,summary,textarea,[tabindex]";
  const index = [...old.querySelectorAll(focusable)].indexOf(active);
  return (fresh) => {
    const target = (active.id && document.getElementById(active.id)) || fresh.querySelectorAll<HTMLElement>(focusable)[index];
    target?.focus({ preventScroll: true });
  };
}

/** `LIST first|last|after ID`, a line break, then HTML. */
function add(data: string): void {
  const cut = data.indexOf("\n");
  const [name = "", where, after = ""] = data.slice(0, cut).split(" ");
  const list = document.getElementById(name);
  if (!list) return;
  const follows = list.dataset["follow"] !== undefined && list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  for (const piece of pieces(data.slice(cut + 1))) {
    if (swap(piece)) continue;
    const before = where === "after" ? document.getElementById(after) : null;
    if (before?.parentElement === list) before.after(piece);
    else if (where === "first") list.prepend(piece);
    else list.append(piece);
  }
  const most = Number(list.dataset["most"] ?? Infinity);
  while (list.childElementCount > most) (where === "first" ? list.lastElementChild : list.firstElementChild)?.remove();
  if (follows) list.scrollTop = list.scrollHeight;
}

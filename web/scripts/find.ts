/** Ctrl-K or / finds a page, a container or an image by name and goes there. It reads the lists that everybody can read, and asks nothing else. */

type Place = { label: string; kind: string; path: string };

export function bindFind(): void {
  addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLElement && event.target.closest("input,textarea,select,[contenteditable]");
    const asked = (event.key === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey) || (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey);
    if (!asked || (typing && event.target instanceof Element && event.target.closest("[data-terminal]")) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    open();
  });
}

function open(): void {
  const dialog = document.createElement("dialog");
  dialog.className = "find";
  dialog.setAttribute("aria-label", "Find");
  const field = Object.assign(dialog.appendChild(document.createElement("input")), { className: "input", type: "search", placeholder: "Find a page, container or image" });
  field.setAttribute("aria-label", "Find a page, container or image");
  const list = dialog.appendChild(document.createElement("ul"));
  const pages = [...document.querySelectorAll<HTMLAnchorElement>(".rail li a")].map((link) => ({ label: words(link), kind: "page", path: link.href }));
  let round = 0;
  const look = async () => {
    const [wanted, mine] = [field.value.trim().toLowerCase(), ++round];
    const named = pages.filter((page) => page.label.toLowerCase().includes(wanted));
    show(list, named);
    await new Promise((done) => setTimeout(done, 120));
    if (mine !== round) return;
    const found = await Promise.all([places("/containers", "container", wanted), places("/images", "image", wanted)]);
    if (mine === round) show(list, [...found.flat(), ...named]);
  };
  field.addEventListener("input", () => void look());
  dialog.addEventListener("keydown", (event) => move(event, field, list));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  void look();
}

/** The rows of a list page. */
async function places(list: string, kind: string, wanted: string): Promise<Place[]> {
  const answer = await fetch(`${list}?q=${encodeURIComponent(wanted)}`, { headers: { accept: "text/html" } }).catch(() => undefined);
  if (!answer?.ok) return [];
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const links = [...page.querySelectorAll<HTMLAnchorElement>("main tbody th a[href]")].map((link) => ({ label: words(link), kind, path: link.getAttribute("href") ?? "" }));
  return links.filter(({ label }) => label.toLowerCase().includes(wanted)).slice(0, 8);
}

function show(list: HTMLUListElement, places: Place[]): void {
  list.replaceChildren(
    ...places.map(({ label, kind, path }) => {
      const item = document.createElement("li");
      const link = Object.assign(item.appendChild(document.createElement("a")), { href: path, textContent: label });
      link.append(Object.assign(document.createElement("small"), { textContent: kind }));
      return item;
    }),
  );
  if (places.length === 0) list.append(Object.assign(document.createElement("li"), { textContent: "Nothing has this name." }));
}

function move(event: KeyboardEvent, field: HTMLElement, list: HTMLElement): void {
  const links = [...list.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement as HTMLAnchorElement);
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (event.key === "Enter" && at < 0) links[0]?.click();
  if (step === 0) return;
  event.preventDefault();
  (links[at + step] ?? field).focus();
}

/** The text without what counts or explains. */
function words(link: Element): string {
  return [...link.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent).join(" ").trim() || (link.textContent ?? "").trim();
}

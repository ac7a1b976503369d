/** The search bar of the terminal: `[data-terminal-search]`, a form with a field and buttons `previous`, `next`, `close`. */
import { SearchAddon } from "@xterm/addon-search";
import type { Terminal } from "@xterm/xterm";

export function bindSearch(host: HTMLElement, terminal: Terminal): () => boolean {
  const bar = host.querySelector<HTMLFormElement>("[data-terminal-search]");
  const field = bar?.querySelector("input");
  const found = bar?.querySelector("output");
  if (!bar || !field) return () => false;
  const search = new SearchAddon();
  terminal.loadAddon(search);
  const colours = { matchOverviewRuler: "#888888", activeMatchColorOverviewRuler: "#f0b429", matchBackground: "#8a6d00", activeMatchBackground: "#d99a00" };
  const look = (forward: boolean, incremental = false) => {
    const options = { decorations: colours, incremental };
    if (forward) search.findNext(field.value, options);
    else search.findPrevious(field.value, options);
  };
  search.onDidChangeResults(({ resultIndex, resultCount }) => {
    if (found) found.textContent = field.value === "" ? "" : resultCount === 0 ? "not found" : `${resultIndex + 1} of ${resultCount}`;
  });
  const close = () => {
    bar.hidden = true;
    search.clearDecorations();
    terminal.focus();
  };
  bar.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = (event.submitter as HTMLButtonElement | null)?.value;
    if (button === "close") close();
    else look(button !== "previous");
  });
  field.addEventListener("input", () => look(false, true));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key === "Enter" && event.shiftKey) {
      event.preventDefault();
      look(false);
    }
  });
  return () => {
    bar.hidden = false;
    field.focus();
    field.select();
    return true;
  };
}

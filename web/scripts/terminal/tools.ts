/** The buttons above the terminal, `[data-tool]`, and what is remembered of them in this browser. */
import type { Terminal } from "@xterm/xterm";

const SIZES = { least: 8, most: 32 };

/** A wish kept in this browser. */
export function remembered<T extends number | boolean>(name: string, otherwise: T): T {
  const text = localStorage.getItem(`terminal-${name}`);
  return text === null ? otherwise : (JSON.parse(text) as T);
}

function remember(name: string, value: number | boolean): void {
  localStorage.setItem(`terminal-${name}`, JSON.stringify(value));
}

export interface Tools {
  copy(): boolean;
  leave(): boolean;
}

export function bindTools(host: HTMLElement, terminal: Terminal, deeds: { search(): boolean; measure(): void }): Tools {
  const button = (name: string) => host.querySelector<HTMLButtonElement>(`[data-tool="${name}"]`);
  const copy = () => {
    if (terminal.hasSelection()) void navigator.clipboard?.writeText(terminal.getSelection());
    return true;
  };
  const grow = (by: number) => {
    const size = Math.min(SIZES.most, Math.max(SIZES.least, (terminal.options.fontSize ?? 14) + by));
    terminal.options.fontSize = size;
    remember("font-size", size);
    deeds.measure();
  };
  const reader = (on: boolean) => {
    terminal.options.screenReaderMode = on;
    remember("reader", on);
    button("reader")?.setAttribute("aria-pressed", String(on));
  };
  const deedOf: Record<string, () => void> = {
    search: deeds.search,
    copy,
    smaller: () => grow(-1),
    larger: () => grow(1),
    clear: () => terminal.clear(),
    reader: () => reader(!terminal.options.screenReaderMode),
  };
  host.addEventListener("click", (event) => {
    const name = (event.target as Element).closest<HTMLElement>("[data-tool]")?.dataset["tool"];
    if (!name) return;
    deedOf[name]?.();
    if (name !== "search" && name !== "reader") terminal.focus();
  });
  button("reader")?.setAttribute("aria-pressed", String(terminal.options.screenReaderMode));
  terminal.onSelectionChange(() => button("copy")?.toggleAttribute("disabled", !terminal.hasSelection()));
  return {
    copy,
    leave() {
      (host.querySelector<HTMLElement>("[data-tool]") ?? document.body).focus();
      return true;
    },
  };
}

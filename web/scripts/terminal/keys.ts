/** Keys that a phone has not, as buttons `[data-key]`; Ctrl holds for one letter. And the chords of the desktop. */
import type { Terminal } from "@xterm/xterm";

const ESC = "\x1b";
const ARROWS: Record<string, string> = { up: "A", down: "B", right: "C", left: "D", home: "H", end: "F" };

export interface Keys {
  /** What a typed text means while Ctrl is held. */
  held(text: string): string;
}

export function bindKeys(host: HTMLElement, terminal: Terminal, send: (text: string) => void): Keys {
  const ctrl = host.querySelector<HTMLButtonElement>('[data-key="ctrl"]');
  const hold = (on: boolean) => ctrl?.setAttribute("aria-pressed", String(on));
  host.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("[data-key]");
    const key = button?.dataset["key"];
    if (!key) return;
    if (key === "ctrl") hold(ctrl?.getAttribute("aria-pressed") !== "true");
    else send(sequence(key, terminal.modes.applicationCursorKeysMode));
    terminal.focus();
  });
  return {
    held(text) {
      if (ctrl?.getAttribute("aria-pressed") !== "true" || text.length !== 1) return text;
      hold(false);
      return control(text);
    },
  };
}

/** What a key sends; arrows depend on the mode that the program asked for. */
export function sequence(key: string, application: boolean): string {
  if (key === "escape") return ESC;
  if (key === "tab") return "\t";
  const arrow = ARROWS[key];
  if (arrow) return ESC + (application ? "O" : "[") + arrow;
  return key;
}

/** Ctrl with a letter: the low five bits, as terminals have had it since ASCII. */
export function control(letter: string): string {
  const code = letter.toUpperCase().charCodeAt(0);
  if (letter === " ") return "\0";
  return code >= 0x3f && code <= 0x5f ? String.fromCharCode(code ^ 0x40) : letter;
}

export type Chords = Partial<Record<"copy" | "paste" | "search" | "leave", () => boolean>>;

/** Ctrl-Shift-C copies, -V pastes, -F searches, -L leaves the terminal for the keyboard; everything else is the program's. */
export function bindChords(terminal: Terminal, chords: Chords): void {
  const names: Record<string, keyof Chords> = { KeyC: "copy", KeyV: "paste", KeyF: "search", KeyL: "leave" };
  terminal.attachCustomKeyEventHandler((event) => {
    const name = event.ctrlKey && event.shiftKey && !event.altKey && !event.metaKey ? names[event.code] : undefined;
    if (!name) return true;
    if (event.type === "keydown" && chords[name]?.()) event.preventDefault();
    return false;
  });
}

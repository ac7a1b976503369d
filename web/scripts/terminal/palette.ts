/** The colours of the terminal, out of the page's tokens (`--term-…` in styles/terminal.css), and again whenever light or dark changes. */
import type { ITheme, Terminal } from "@xterm/xterm";

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;

export function followTheme(terminal: Terminal, host: HTMLElement): void {
  const apply = () => {
    terminal.options.theme = palette(host);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  new MutationObserver(apply).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  apply();
}

/** A token as the browser computes it: tokens may be `light-dark(…)`, which the terminal does not understand. */
function palette(host: HTMLElement): ITheme {
  const probe = host.appendChild(document.createElement("i"));
  const token = (name: string) => {
    probe.style.color = `var(--term-${name})`;
    return getComputedStyle(probe).color;
  };
  const theme: ITheme = {
    background: token("ground"),
    foreground: token("ink"),
    cursor: token("cursor"),
    cursorAccent: token("ground"),
    selectionBackground: token("selection"),
    selectionInactiveBackground: token("selection"),
    scrollbarSliderBackground: token("slider"),
    scrollbarSliderHoverBackground: token("slider"),
    scrollbarSliderActiveBackground: token("slider"),
  };
  for (const name of NAMES) {
    theme[name] = token(name);
    theme[`bright${name[0]?.toUpperCase()}${name.slice(1)}` as `bright${Capitalize<typeof name>}`] = token(`bright-${name}`);
  }
  probe.remove();
  return theme;
}

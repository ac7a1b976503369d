/** One quiet line about the terminal: `[data-terminal-status]`, and who else is here: `[data-terminal-viewers]`. */

const SHOWN_MS = 8_000;

export class Status {
  private clear: number | undefined;
  private count: number | undefined;
  private readonly line: HTMLElement;

  constructor(private readonly host: HTMLElement) {
    this.line = host.querySelector<HTMLElement>("[data-terminal-status]") ?? host;
  }

  /** For a while. */
  brief(text: string): void {
    this.show("open", text);
    this.clear = setTimeout(() => this.show("open", ""), SHOWN_MS);
  }

  offline(since: number): void {
    const text = () => this.show("offline", `Connection lost ${seconds(Date.now() - since)} ago. Coming back by itself; what you type now is not sent.`);
    if (this.host.dataset["state"] === "connecting") this.show("connecting", "Connecting…");
    else text();
    this.count = setInterval(text, 1_000);
  }

  show(state: "connecting" | "open" | "busy" | "offline" | "ended", text: string): void {
    clearTimeout(this.clear);
    clearInterval(this.count);
    this.host.dataset["state"] = state;
    if (this.line.textContent !== text) this.line.textContent = text;
  }

  viewers(names: string[]): void {
    const line = this.host.querySelector<HTMLElement>("[data-terminal-viewers]");
    if (!line) return;
    const counts = new Map<string, number>();
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
    line.textContent = names.length < 2 ? "" : `${names.length} watching`;
    line.title = [...counts].map(([name, count]) => (count > 1 ? `${name} × ${count}` : name)).join(", ");
  }
}

export function seconds(ms: number): string {
  const whole = Math.max(1, Math.round(ms / 1000));
  return whole < 120 ? `${whole} s` : `${Math.round(whole / 60)} min`;
}

export function bytes(count: number): string {
  if (count < 1_000) return `${count} bytes`;
  return count < 1_000_000 ? `${Math.round(count / 1_000)} kB` : `${(count / 1_000_000).toFixed(1)} MB`;
}

/** Keeps `<time datetime=…>` true while the page is open: the server wrote how long ago it is, and this counts on. */

const UNITS: [string, number][] = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
];

/** The longest unit that is reached, as server/pages/format.rs has it: `8 s`, `5 min`, `2 h`, `3 d`. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.trunc(seconds));
  const [unit, size] = UNITS.find(([, size]) => whole >= size) ?? ["s", 1];
  return `${Math.trunc(whole / size)} ${unit}`;
}

const SPAN = /^\d+ (s|min|h|d)$/;

export function relativeTimes(): void {
  setInterval(() => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time")) {
      const old = time.textContent ?? "";
      if (!SPAN.test(old)) continue;
      const text = span((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (text !== old) time.textContent = text;
    }
  }, 1_000);
}

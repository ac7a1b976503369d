/** Keeps `<time datetime=… data-relative>` true while the page is open; the server wrote the first text and the exact time as its title. */
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

const words = new Intl.RelativeTimeFormat("en", { numeric: "always" });

/** `2 minutes ago`, `in 3 hours`; below a minute `just now`. */
export function relative(seconds: number): string {
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 0];
  return size === 0 ? "just now" : words.format(Math.trunc(-seconds / size), unit);
}

export function relativeTimes(): void {
  const refresh = () => {
    for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-relative]")) {
      const text = relative((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(refresh, 15_000);
}

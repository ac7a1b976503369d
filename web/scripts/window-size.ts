/** `form[data-window-size]`: a terminal opened by it has about the size of the window from its first line on. */

const CELL = { width: 8.45, height: 17 };

export function tellWindowSize(): void {
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-window-size]"))
    form.addEventListener("submit", () => {
      const set = (name: string, cells: number) => {
        const field = form.elements.namedItem(name);
        if (field instanceof HTMLInputElement) field.value = String(Math.max(2, Math.floor(cells)));
      };
      const width = document.querySelector("main")?.clientWidth ?? innerWidth;
      set("cols", (width - 40) / CELL.width);
      set("rows", (innerHeight - 290) / CELL.height);
    });
}

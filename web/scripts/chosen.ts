/** Boxes of a list: `[data-all=NAME]` ticks all boxes of that name in its form, and `[data-chosen]` tells how many are. */

export function bindChosen(): void {
  for (const all of document.querySelectorAll<HTMLInputElement>("input[data-all]")) {
    const form = all.form;
    if (!form) continue;
    const boxes = () => [...form.querySelectorAll<HTMLInputElement>(`input[type=checkbox][name="${all.dataset["all"]}"]`)];
    const told = form.querySelector<HTMLElement>("[data-chosen]");
    const group = told?.closest("[role=group]");
    const tell = () => {
      const [every, ticked] = [boxes().length, boxes().filter((box) => box.checked).length];
      all.checked = every > 0 && ticked === every;
      all.indeterminate = ticked > 0 && ticked < every;
      const words = ticked === 0 ? "None chosen" : `${ticked} chosen`;
      // Written only if it changes: the observer below sees it, and would never end.
      if (told && told.textContent !== words) told.textContent = words;
      for (const button of group?.querySelectorAll("button") ?? []) button.disabled = ticked === 0;
    };
    all.hidden = false;
    all.addEventListener("change", () => {
      for (const box of boxes()) box.checked = all.checked;
      tell();
    });
    form.addEventListener("change", tell);
    // Rows that come or go are counted too.
    new MutationObserver(tell).observe(form, { childList: true, subtree: true });
    addEventListener("pageshow", tell);
    shiftTicks(form, boxes);
    tell();
  }
}

/** A click with Shift ticks everything since the last click. */
function shiftTicks(form: HTMLElement, boxes: () => HTMLInputElement[]): void {
  let last: HTMLInputElement | undefined;
  form.addEventListener("click", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || !boxes().includes(box)) return;
    const list = boxes();
    const [from, to] = [last ? list.indexOf(last) : -1, list.indexOf(box)];
    if (event.shiftKey && from >= 0) for (const between of list.slice(Math.min(from, to), Math.max(from, to) + 1)) between.checked = box.checked;
    last = box;
  });
}

/** `[data-copy]`: its text goes to the clipboard at a click or Enter, and says so for a moment. */

export function bindCopy(): void {
  const copy = async (element: HTMLElement) => {
    await navigator.clipboard.writeText(element.dataset["copy"] || (element.textContent ?? "").trim());
    element.dataset["copied"] = "";
    setTimeout(() => delete element.dataset["copied"], 1_500);
  };
  const target = (event: Event) => (event.target instanceof Element ? event.target.closest<HTMLElement>("[data-copy]") : null);
  // Not on plain http from afar: there the browser has no clipboard.
  if (!navigator.clipboard) return;
  for (const element of document.querySelectorAll<HTMLElement>("[data-copy]")) element.title ||= "Click to copy";
  document.addEventListener("click", (event) => {
    const element = target(event);
    // Whoever marks text with the mouse copies it in his own way.
    if (element && getSelection()?.isCollapsed !== false) void copy(element);
  });
  document.addEventListener("keydown", (event) => {
    const element = target(event);
    if (element && event.key === "Enter") void copy(element);
  });
}

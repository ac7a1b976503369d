/**
 * The line at the foot of each page says the same on the command line. While the mouse or the focus is on something with
 * `data-command=COMMAND` it says that; `data-command-of=NAME` adds the ticked boxes or the text of that field. A form with
 * `data-command-from=PATH` asks the server for its command while it is filled in.
 */

/** Time without a key before the server is asked. */
const PAUSE_MS = 250;

export function bindTeach(): void {
  const line = document.querySelector<HTMLElement>("[data-command-shown]");
  if (!line) return;
  let usual = line.textContent ?? "";
  // Written only if it changes: somebody may be marking it.
  const say = (text: string) => {
    if (line.textContent !== text) line.textContent = text;
  };
  const show = (event: Event) => {
    const teacher = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-command]") : null;
    say(teacher ? command(teacher) : usual);
  };
  for (const event of ["focusin", "mouseover"]) document.addEventListener(event, show);
  document.addEventListener("focusout", () => say(usual));
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-command-from]"))
    follow(form, (text) => {
      usual = text;
      say(text);
    });
}

function command(teacher: HTMLElement): string {
  const { command = "", commandOf } = teacher.dataset;
  const form = teacher.closest("form");
  if (!commandOf || !form) return command;
  const fields = [...form.querySelectorAll<HTMLInputElement>(`input[name="${commandOf}"]`)];
  const words = fields.filter((field) => field.type !== "checkbox" || field.checked).map((field) => field.value.trim());
  return [command, ...words.filter((word) => word !== "")].join(" ");
}

/** Asks at most once a pause; an answer that comes late, after a newer one, is dropped. */
function follow(form: HTMLFormElement, say: (text: string) => void): void {
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let asked: AbortController | undefined;
  const ask = async () => {
    asked?.abort();
    asked = new AbortController();
    const fields = [...new FormData(form)].map(([name, value]) => [name, String(value)]);
    const answer = await fetch(form.dataset["commandFrom"] ?? "", { method: "POST", body: new URLSearchParams(fields), signal: asked.signal }).catch(() => undefined);
    // A field that is only half typed has no command yet: the last one stays.
    if (answer?.status === 200) say(await answer.text());
  };
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => void ask(), PAUSE_MS);
  });
}

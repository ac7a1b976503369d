/**
 * `form[data-upload]`: a file may be dropped on its `[data-drop]`, `[data-upload-progress]` shows how far it is, and the page goes on to where
 * the server sends it. Without this script the browser sends the form by itself.
 */

export function bindUploads(): void {
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-upload]")) {
    for (const drop of form.querySelectorAll<HTMLElement>("[data-drop]")) bindDrop(drop);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }
}

function bindDrop(drop: HTMLElement): void {
  const field = drop.querySelector<HTMLInputElement>("input[type=file]");
  if (!field) return;
  const over = (on: boolean) => drop.toggleAttribute("data-over", on);
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  drop.addEventListener("dragleave", () => over(false));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    if (!event.dataTransfer?.files.length) return;
    field.files = event.dataTransfer.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

function send(form: HTMLFormElement): void {
  const box = form.querySelector<HTMLElement>("[data-upload-progress]");
  const bar = box?.querySelector("progress");
  const text = box?.querySelector("small");
  const button = form.querySelector<HTMLButtonElement>("button:not([type=button])");
  const tell = (words: string) => text && (text.textContent = words);
  const begun = Date.now();
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("accept", "text/html");
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    if (bar) bar.value = (100 * loaded) / total;
    const speed = loaded / Math.max(1, Date.now() - begun) / 1000;
    tell(loaded < total ? `${megabytes(loaded)} of ${megabytes(total)} MB, ${speed.toFixed(1)} MB/s` : "Sent; the server is at work…");
  });
  const failed = (words: string) => {
    if (button) button.disabled = false;
    tell(words);
  };
  request.addEventListener("load", () => {
    if (request.status < 400) location.assign(request.responseURL);
    else if (request.getResponseHeader("content-type")?.startsWith("text/html")) {
      const answer = new DOMParser().parseFromString(request.responseText, "text/html");
      failed((answer.querySelector("[role=alert], main")?.textContent ?? "The server refused it.").trim().replace(/\s+/g, " ").slice(0, 400));
    } else failed(request.responseText.slice(0, 400) || `The server answered ${request.status}.`);
  });
  request.addEventListener("error", () => failed("The connection broke. Send it again."));
  if (box) box.hidden = false;
  if (button) button.disabled = true;
  request.send(new FormData(form));
}

const megabytes = (count: number) => (count / 1_000_000).toFixed(1);

/** `button[data-confirm=QUESTION]`: asks before its form is sent. Without scripts the server asks, or the deed can be taken back. */

export function bindConfirm(): void {
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    const question = button?.dataset["confirm"];
    if (!question || button?.dataset["sure"] !== undefined) return;
    event.preventDefault();
    ask(question, button?.textContent?.trim() || "Yes", () => {
      if (!button) return;
      button.dataset["sure"] = "";
      (event.target as HTMLFormElement).requestSubmit(button);
    });
  });
}

function ask(question: string, deed: string, then: () => void): void {
  const dialog = document.createElement("dialog");
  const form = dialog.appendChild(document.createElement("form"));
  form.method = "dialog";
  const text = form.appendChild(document.createElement("p"));
  text.textContent = question;
  const buttons = form.appendChild(document.createElement("div"));
  buttons.className = "buttons";
  for (const [value, label, look] of [["yes", deed, "bad-main"], ["", "Cancel", ""]] as const) {
    const button = buttons.appendChild(document.createElement("button"));
    [button.className, button.value, button.textContent] = ["button", value, label];
    if (look) button.dataset["look"] = look;
  }
  dialog.setAttribute("aria-label", question);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue === "yes") then();
  });
  document.body.append(dialog);
  dialog.showModal();
}

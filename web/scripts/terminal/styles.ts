/**
 * Styles of xterm.js under a strict content security policy (`style-src 'self'`): build.mjs puts these two functions where
 * xterm.js makes style elements and style attributes. Sheets adopted by the document and the style object need no exception.
 */

/** An element to hang into the tree whose text becomes an adopted sheet. */
export function adoptedStyle(owner: Document): HTMLElement {
  const sheet = new (owner.defaultView ?? window).CSSStyleSheet();
  owner.adoptedStyleSheets.push(sheet);
  const element = owner.createElement("template");
  Object.defineProperty(element, "textContent", { set: (text: string) => sheet.replaceSync(text) });
  element.remove = () => {
    owner.adoptedStyleSheets = owner.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

/** Adds declarations, `color:#123456`, to an element. */
export function addStyle(element: HTMLElement, declarations: string): void {
  element.style.cssText += `${declarations};`;
}

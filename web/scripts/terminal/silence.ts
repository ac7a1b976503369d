/**
 * Keeps the terminal from answering questions of the program (who are you, where is the cursor, which colour …) twice: those in a replay
 * were answered when they were new, and of several viewers only the one whose window decides the size answers.
 */
import type { Terminal } from "@xterm/xterm";

export function silence(terminal: Terminal, silent: () => boolean): void {
  const parser = terminal.parser;
  // Device attributes, status reports, modes and the name of the terminal. Source: ECMA-48 and xterm's control sequences.
  for (const id of [
    { final: "c" },
    { prefix: ">", final: "c" },
    { prefix: "=", final: "c" },
    { final: "n" },
    { prefix: "?", final: "n" },
    { prefix: ">", final: "q" },
    { intermediates: "$", final: "p" },
    { prefix: "?", intermediates: "$", final: "p" },
    { prefix: "?", final: "u" },
    { final: "t" },
  ])
    parser.registerCsiHandler(id, silent);
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, silent);
  // Colours: only a question is kept from the terminal, a setting is drawn.
  for (const code of [4, 10, 11, 12]) parser.registerOscHandler(code, (data) => data.includes("?") && silent());
}

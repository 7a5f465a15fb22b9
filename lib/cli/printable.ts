// Text of others on its way to a terminal.

/** `text` without control characters: names, prompts and errors shall not steer the terminal. */
export function printable(text: string, instead = "?"): string {
  // deno-lint-ignore no-control-regex -- exactly these are looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, instead);
}

// JSON as it goes into a file of records: text that every reader takes. What cannot be in a Unicode
// text (half a surrogate pair) becomes U+FFFD, and nothing ends a line but its end.

/** An escape of JSON: a surrogate pair, half of one, or any other. */
const ESCAPE = /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F]|(u[dD][89a-fA-F][\da-fA-F]{2})|.)/gs;
const SURROGATE = /\\u[dD][89a-fA-F]/;
/** Ends of lines for Python's str.splitlines and its like. */
const LINE_ENDS = /[\u0085\u2028\u2029]/g;

/** `json` with U+FFFD for each escape of half a surrogate pair. */
export function wellFormedJson(json: string): string {
  if (!json.includes("\\u") || !SURROGATE.test(json)) return json;
  return json.replace(ESCAPE, (found, half) => half === undefined ? found : "\\ufffd");
}

/** `value` as JSON that may stand in a record, within another text, too. */
export function jsonText(value: unknown): string {
  // JSON.stringify writes halves, which it must escape, and no whole pairs as escapes.
  return wellFormedJson(JSON.stringify(value));
}

/** A record on one line. */
export function recordLine(record: object): string {
  const json = jsonText(record);
  return hasLineEnd(json) ? `${json.replace(LINE_ENDS, escaped)}\n` : `${json}\n`;
}

/** Faster than the expression: most texts have no character beyond Latin-1, which is known of each. */
function hasLineEnd(json: string): boolean {
  return json.includes("\u2028") || json.includes("\u2029") || json.includes("\u0085");
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

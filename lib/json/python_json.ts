// JSON as Python's json module reads and writes it: with NaN and Infinity, which JSON does not have.

const WORD = /-?\b(?:NaN|Infinity)\b/g;

/** The value of `text`, null for each NaN and Infinity. Throws SyntaxError. */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!text.includes("NaN") && !text.includes("Infinity")) throw error;
    return JSON.parse(withoutWords(text));
  }
}

/** What stands outside of strings, with null for the words. */
function withoutWords(text: string): string {
  const pieces: string[] = [];
  for (let at = 0; at < text.length;) {
    const quote = text.indexOf('"', at);
    const outside = text.slice(at, quote < 0 ? text.length : quote);
    const end = quote < 0 ? text.length : stringEnd(text, quote + 1);
    pieces.push(outside.replace(WORD, "null"), quote < 0 ? "" : text.slice(quote, end));
    at = end;
  }
  return pieces.join("");
}

/** Position after the quote that ends the string whose text begins at `from`. */
function stringEnd(text: string, from: number): number {
  for (let at = from;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return text.length;
    let slashes = 0;
    while (quote - 1 - slashes >= at && text[quote - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

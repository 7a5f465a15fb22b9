// Where a JSON string ends, in its bytes: linear in the length of the string, whatever is in it.

const QUOTE = 34;
const BACKSLASH = 92;
/** So many bytes are looked at one by one before a native search is worth its call. */
const NEAR = 64;
/** The same where escaped quotes stand side by side, each of which would end a native search. */
const DENSE = 1024;

/**
 * Position of the quote that ends the string of which `from` is a part, outside of an escape; it is
 * looked for up to `until`. Below 0 where none is there: `-2 - result` is where to go on.
 */
export function stringEnd(bytes: Uint8Array, from: number, until: number): number {
  let at = from;
  let near = Math.min(until, at + NEAR);
  for (;;) {
    while (at < near) {
      const byte = bytes[at];
      if (byte === QUOTE) return at;
      at += byte === BACKSLASH ? 2 : 1;
    }
    if (at >= until) return -2 - at;
    const part = until < bytes.length ? bytes.subarray(0, until) : bytes;
    const quote = part.indexOf(QUOTE, at);
    const end = quote < 0 ? until : quote;
    let slashes = 0;
    while (end - 1 - slashes >= at && bytes[end - 1 - slashes] === BACKSLASH) slashes++;
    const escaped = slashes % 2 === 1;
    if (quote < 0) return -2 - (escaped ? until + 1 : until);
    if (!escaped) return quote;
    near = Math.min(until, quote - at < NEAR ? quote + DENSE : quote + 1);
    at = quote + 1;
  }
}

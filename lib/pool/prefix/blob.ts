// Finds long values in a prompt that are no text: images, audio and files in base64. What they are is left
// to the model; here only where they begin and end, without a look at each of their bytes.

/** A value in more bytes than these without a space, a comma or an escape is no text. */
export const LONG_BYTES = 4096;
/** So many bytes are looked at each LONG_BYTES of a long value. */
const PROBE_BYTES = 16;

/** 1 for what base64 is written in, in either alphabet. */
const IN_BASE64 = Uint8Array.from(
  { length: 256 },
  (_, code) => /[A-Za-z0-9+/=_-]/.test(String.fromCharCode(code)) ? 1 : 0,
);

/** Where the first long value from `start` on begins; -1 where there is none before `end`. */
export function startOfBlob(bytes: Uint8Array, start: number, end: number): number {
  let from = start;
  while (from + LONG_BYTES <= end) {
    // Backwards: text shows itself within a word.
    let at = from + LONG_BYTES - 1;
    while (at >= from && IN_BASE64[bytes[at]] === 1) at--;
    if (at < from) return from;
    from = at + 1;
  }
  return -1;
}

/** The end of the long value that begins at `start`. */
export function endOfBlob(bytes: Uint8Array, start: number, end: number): number {
  let at = start + LONG_BYTES;
  while (at + LONG_BYTES <= end && isBlob(bytes, at + LONG_BYTES - PROBE_BYTES)) at += LONG_BYTES;
  while (at < end && IN_BASE64[bytes[at]] === 1) at++;
  return at;
}

function isBlob(bytes: Uint8Array, start: number): boolean {
  for (let at = start; at < start + PROBE_BYTES; at++) if (IN_BASE64[bytes[at]] === 0) return false;
  return true;
}

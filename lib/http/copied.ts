// Copies of a few bytes or of many, each in the way that costs least.

/** From so many bytes on a view of them and one call cost less than a loop. */
const MANY_BYTES = 64;

/** Copies from[start, end) to `to` from `at` on; returns the position behind them there. */
export function copied(
  from: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
  at: number,
): number {
  if (end - start >= MANY_BYTES) {
    to.set(from.subarray(start, end), at);
    return at + end - start;
  }
  for (let i = start; i < end; i++) to[at++] = from[i];
  return at;
}

// A limit for others that does not count the time in which this loop itself was held up: what came in
// meanwhile has not been looked at yet.

const SLICES = 8;
/** A slice that ends this much later than it should tells of the loop. */
const LATE_MS = 100;

/**
 * A limit for connecting that `moreS` may put off, each time that it is reached, by as many seconds.
 * `onExpire` gets how long was waited. Returns what takes it back.
 */
export function connectTimer(
  limitMs: number,
  moreS: () => number,
  onExpire: (waitedMs: number) => void,
): () => void {
  let waitedMs = limitMs;
  const expire = () => {
    const moreMs = moreS() * 1000;
    if (moreMs <= 0) return onExpire(waitedMs);
    waitedMs += moreMs;
    stop = fairTimer(moreMs, expire);
  };
  let stop = fairTimer(limitMs, expire);
  return () => stop();
}

/** Calls `onExpire` once after `limitMs` of time in which the loop ran. Returns what takes it back. */
export function fairTimer(limitMs: number, onExpire: () => void): () => void {
  let leftMs = limitMs;
  let timer: ReturnType<typeof setTimeout>;
  const sleep = () => {
    const sliceMs = Math.min(leftMs, Math.max(limitMs / SLICES, 20));
    const dueAt = performance.now() + sliceMs;
    timer = setTimeout(() => {
      if (performance.now() - dueAt < LATE_MS) leftMs -= sliceMs;
      if (leftMs <= 0) onExpire();
      else sleep();
    }, sliceMs);
  };
  sleep();
  return () => clearTimeout(timer);
}

// A limit for others that does not count the time in which this loop itself was held up: what came in
// meanwhile has not been looked at yet.

const SLICES = 8;
/** A slice that ends this much later than it should tells of the loop. */
const LATE_MS = 100;

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

// Waiting for a condition with a deadline, so that no test sleeps for luck. What the condition means
// is left to the test.

/**
 * A condition that comes true at all does so at once; a machine that is shared stands still for seconds.
 * Only what never comes true takes so long.
 */
const DEADLINE_MS = 60_000;

/** Text, or a function that makes it when it is needed. */
export type Text = string | (() => string);

/**
 * Looks every few milliseconds until `condition` holds; rejects after `deadlineMs` with what was
 * waited for. A condition that throws ends the waiting with its error.
 */
export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  what: Text,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!await condition()) {
    if (performance.now() > deadline) {
      throw new Error(`waited ${deadlineMs} ms for ${typeof what === "string" ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until `count` has grown, and stands still. */
export async function comesToRest(count: () => number, what: Text): Promise<void> {
  await waitFor(async () => {
    const before = count();
    await new Promise((resolve) => setTimeout(resolve, 50));
    return before > 0 && count() === before;
  }, what);
}

/** The value of `promise`, or an error naming `what` when it takes longer than `deadlineMs`. */
export async function within<T>(
  promise: Promise<T>,
  what: Text,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`waited ${deadlineMs} ms for ${typeof what === "string" ? what : what()}`));
    }, deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * For what can only be told by how long it takes: a machine that stands still spoils one try, what is wrong with
 * the gateway all of them. The first that passes counts; the last one's error is the one to be told.
 */
export async function oneOf(tries: number, work: () => Promise<void>): Promise<void> {
  for (let left = tries - 1;; left--) {
    try {
      return await work();
    } catch (error) {
      if (left === 0) throw error;
      console.log(`tried again after: ${error instanceof Error ? error.message : error}`);
    }
  }
}

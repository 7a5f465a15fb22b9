// How far long work is, on one line of a terminal; where there is no terminal, nothing.

export interface Progress {
  /** `done` of the total is done; `note` is said behind the bar. Cheap to call often. */
  show(done: number, note: string): void;
  /** Takes the line away. */
  clear(): void;
}

const WIDTH = 30;
const INTERVAL_MS = 100;

/** On standard error, if that is a terminal. `total` is in the unit of `done`, such as bytes; 0 for no bar. */
export function progress(total: number): Progress {
  if (total === 0 || !Deno.stderr.isTerminal()) return { show() {}, clear() {} };
  const encoder = new TextEncoder();
  let shownAt = -INTERVAL_MS;
  let shown = false;
  return {
    show(done, note) {
      const now = performance.now();
      if (now - shownAt < INTERVAL_MS) return;
      shownAt = now;
      shown = true;
      Deno.stderr.writeSync(encoder.encode(`\r${bar(done, total)} ${note}\x1b[K`));
    },
    clear() {
      if (shown) Deno.stderr.writeSync(encoder.encode("\r\x1b[K"));
    },
  };
}

/** Such as `[######----]  60%`. Files may grow while they are read: never above 100 %. */
function bar(done: number, total: number): string {
  const share = Math.min(1, done / total);
  const full = Math.floor(share * WIDTH);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `[${"#".repeat(full)}${"-".repeat(WIDTH - full)}]${percent}`;
}

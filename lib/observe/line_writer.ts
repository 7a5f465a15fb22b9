// Lines to standard error in batches: a request's line costs an append to a buffer, one write every
// few milliseconds takes all of them.

import { TextBuffer } from "./text_buffer.ts";

const FLUSH_MS = 50;
/** Beyond this, lines are dropped and counted: a blocked terminal must not fill the memory. */
const MAX_PENDING_BYTES = 8 * 1024 * 1024;

/** Where bytes go; Deno.stderr is one. */
export interface ByteSink {
  writeSync(bytes: Uint8Array): number;
}

export class LineWriter {
  readonly #pending = new TextBuffer();
  #dropped = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly sink: ByteSink) {}

  /** Adds a line (without its end). */
  line(text: string): void {
    if (this.#pending.length > MAX_PENDING_BYTES) {
      this.#dropped++;
      return;
    }
    this.#pending.append(text + "\n");
    if (this.#timer === null) {
      this.#timer = setTimeout(() => this.flush(), FLUSH_MS);
    }
  }

  /** Writes everything now. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#dropped > 0) {
      this.#pending.append(`${this.#dropped} log lines dropped\n`);
      this.#dropped = 0;
    }
    const bytes = this.#pending.bytes();
    let at = 0;
    try {
      while (at < bytes.length) at += this.sink.writeSync(bytes.subarray(at));
    } catch {
      // Nobody reads standard error any more; the service goes on without it.
    }
    this.#pending.clear();
  }
}

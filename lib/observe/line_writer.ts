// Lines to standard error in batches: a request's line costs an append to a string, one write every
// few milliseconds takes all of them.

const FLUSH_MS = 50;
/** Beyond this, lines are dropped and counted: a blocked terminal must not fill the memory. */
const MAX_PENDING_CHARS = 8 * 1024 * 1024;

/** Where bytes go; Deno.stderr is one. */
export interface ByteSink {
  writeSync(bytes: Uint8Array): number;
}

export class LineWriter {
  #pending = "";
  #dropped = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly #encoder = new TextEncoder();

  constructor(private readonly sink: ByteSink) {}

  /** Adds a line (without its end). */
  line(text: string): void {
    if (this.#pending.length > MAX_PENDING_CHARS) {
      this.#dropped++;
      return;
    }
    this.#pending += text + "\n";
    if (this.#timer === null) {
      this.#timer = setTimeout(() => this.flush(), FLUSH_MS);
    }
  }

  /** Writes everything now. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#dropped > 0) {
      this.#pending += `${this.#dropped} log lines dropped\n`;
      this.#dropped = 0;
    }
    const bytes = this.#encoder.encode(this.#pending);
    this.#pending = "";
    let at = 0;
    try {
      while (at < bytes.length) at += this.sink.writeSync(bytes.subarray(at));
    } catch {
      // Nobody reads standard error any more; the service goes on without it.
    }
  }
}

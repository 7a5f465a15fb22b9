// Does something again and again, with a pause that the doing names, until it is closed.

const LEAST_BACKOFF_MS = 1000;
const MOST_BACKOFF_MS = 30_000;

export class Loop {
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #wake: (() => void) | null = null;
  #isWoken = false;
  #failures = 0;

  /** `body` resolves to milliseconds until it is wanted again; `onFailure` hears of what it throws. */
  constructor(
    private readonly body: (signal: AbortSignal) => Promise<number>,
    private readonly onFailure: (error: unknown) => void,
    /** Pause after a failure; without it longer from one to the next. */
    private readonly failedMs?: number,
  ) {
    this.#running = this.#run();
  }

  /** There may be news: ends a pause, also the one that comes next, since what is asked now may be from before. */
  wake(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      let pauseMs: number;
      this.#isWoken = false;
      try {
        pauseMs = await this.body(signal);
        this.#failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.onFailure(error);
        pauseMs = this.failedMs ?? this.#backoffMs();
      }
      if (!signal.aborted && !this.#isWoken) await this.#pause(pauseMs);
    }
  }

  #backoffMs(): number {
    const longest = Math.min(MOST_BACKOFF_MS, LEAST_BACKOFF_MS * 2 ** this.#failures++);
    return longest * (0.7 + 0.3 * Math.random());
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), ms);
      Deno.unrefTimer(Number(timer));
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
    });
  }
}

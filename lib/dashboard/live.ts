// The live feed: one snapshot a second, encoded once however many watch, and events as they come. A
// viewer that reads slowly misses snapshots, never events, unless hundreds of them wait.

import type { DashboardSource, FeedEvent } from "./source.ts";

/** Events that wait for one slow viewer; the oldest give way. */
const MAX_WAITING = 200;
export const MAX_VIEWERS = 500;

export class LiveFeed {
  readonly #viewers = new Set<Viewer>();
  readonly #encoder = new TextEncoder();
  #unwatch: (() => void) | null = null;
  #closed = false;
  /** Snapshots encoded so far. */
  encoded = 0;

  constructor(private readonly source: DashboardSource) {}

  get viewers(): number {
    return this.#viewers.size;
  }

  /** A stream for one more viewer, which begins with all there is; null when there are too many. */
  open(): AsyncIterable<Uint8Array> | null {
    if (this.#closed || this.#viewers.size >= MAX_VIEWERS) return null;
    const viewer = new Viewer((gone) => this.#left(gone));
    this.#viewers.add(viewer);
    viewer.event(this.#frame("begin", {
      snapshot: this.source.snapshot(),
      history: this.source.history(),
      events: this.source.events(),
    }));
    this.#unwatch ??= this.source.watch({
      tick: () => this.#tick(),
      event: (event) => this.#event(event),
    });
    return { [Symbol.asyncIterator]: () => viewer };
  }

  /** Ends all streams: who may still look comes again by itself. */
  endAll(): void {
    for (const viewer of [...this.#viewers]) viewer.end();
  }

  /** Ends all streams; the next ones are refused. */
  close(): void {
    this.#closed = true;
    this.endAll();
  }

  #left(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0) return;
    this.#unwatch?.();
    this.#unwatch = null;
  }

  #tick(): void {
    this.encoded++;
    const frame = this.#frame("snapshot", this.source.snapshot());
    for (const viewer of this.#viewers) viewer.snapshot(frame);
  }

  #event(event: FeedEvent): void {
    const frame = this.#frame("event", event);
    for (const viewer of this.#viewers) viewer.event(frame);
  }

  #frame(name: string, value: unknown): Uint8Array {
    return this.#encoder.encode(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`);
  }
}

type Result = IteratorResult<Uint8Array>;

/** One open stream. `return` settles a `next` under way, as AdminReply asks. */
class Viewer implements AsyncIterator<Uint8Array> {
  #events: Uint8Array[] = [];
  #snapshot: Uint8Array | null = null;
  #waiting: ((result: Result) => void) | null = null;
  #ended = false;

  constructor(private readonly onGone: (viewer: Viewer) => void) {}

  event(frame: Uint8Array): void {
    this.#events.push(frame);
    if (this.#events.length > MAX_WAITING) this.#events.shift();
    this.#settle();
  }

  /** A newer snapshot makes an older one that still waits worthless. */
  snapshot(frame: Uint8Array): void {
    this.#snapshot = frame;
    this.#settle();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onGone(this);
    this.#waiting?.({ done: true, value: undefined });
    this.#waiting = null;
  }

  next(): Promise<Result> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#settle();
    });
  }

  return(): Promise<Result> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  #settle(): void {
    if (this.#waiting === null) return;
    let value = this.#events.shift();
    if (value === undefined) {
      if (this.#ended) return this.#answer({ done: true, value: undefined });
      if (this.#snapshot === null) return;
      value = this.#snapshot;
      this.#snapshot = null;
    }
    this.#answer({ done: false, value });
  }

  #answer(result: Result): void {
    this.#waiting?.(result);
    this.#waiting = null;
  }
}

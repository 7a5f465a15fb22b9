// Captures that are too heavy to be turned into lines between requests. They wait here for the isolate that
// shapes them, and their lines until the writer takes them.

import { type Capture, sizeOf } from "../capture.ts";
import type { RecordFormat } from "../record.ts";
import type { ShapedBytes, Shaper } from "./shaper.ts";

/** Lines that wait to be taken, of so many captures, are enough: the disk does not keep up. */
const MAX_DONE = 2;

/** Lines of one heavy capture, and what of it decides where they belong. */
export type HeavyLines = ShapedBytes & Pick<Capture, "flagged">;

export interface HeavyQueueOptions {
  /** In force when a capture's turn comes. */
  format(): RecordFormat;
  /** One capture could not be turned into lines: nothing else will be heard of it. */
  onUnfit(error: unknown): void;
}

/**
 * Shapes one capture at a time; their lines come in the order in which they were added, and captures that are
 * not heavy need not wait for them. `bytes` counts each capture from `add` until its lines are taken, and
 * once the lines of MAX_DONE captures wait, the next is begun when somebody has taken them. Whatever fails,
 * a dead isolate too, costs the one capture that it had. After `close` nothing more comes, not even errors.
 */
export class HeavyQueue {
  /** Captures that wait for the shaper, and bytes of these and of the one that it has. */
  #captures: Capture[] = [];
  #captureBytes = 0;
  /** What the shaper has done. */
  #done: HeavyLines[] = [];
  #closed = false;

  constructor(
    private readonly shaper: Pick<Shaper, "busy" | "shape" | "close">,
    private readonly options: HeavyQueueOptions,
  ) {}

  /** All that waits in memory. */
  get bytes(): number {
    return this.#done.reduce((sum, { bytes }) => sum + bytes.length, this.#captureBytes);
  }

  /** Nothing waits, nothing is being shaped, and all lines were taken. */
  get isEmpty(): boolean {
    return this.#captureBytes === 0 && this.#done.length === 0;
  }

  add(capture: Capture): void {
    this.#captures.push(capture);
    this.#captureBytes += sizeOf(capture);
    this.#shapeNext();
  }

  /** The lines that are done, which belong to the caller from now on. */
  take(): HeavyLines[] {
    const done = this.#done.splice(0);
    this.#shapeNext();
    return done;
  }

  /** Gives up what is left. */
  close(): void {
    this.#closed = true;
    this.#captures = [];
    this.#done = [];
    this.#captureBytes = 0;
    this.shaper.close();
  }

  /** Hands the next capture over, when the one before is done and the disk keeps up. */
  async #shapeNext(): Promise<void> {
    while (!this.shaper.busy && this.#done.length < MAX_DONE) {
      const capture = this.#captures.shift();
      if (capture === undefined) return;
      // Its bytes are gone when it is shaped.
      const size = sizeOf(capture);
      let shaped: ShapedBytes | null = null;
      try {
        shaped = await this.shaper.shape(capture, this.options.format());
      } catch (error) {
        if (this.#closed) return;
        this.options.onUnfit(error);
      }
      if (this.#closed) return;
      this.#captureBytes -= size;
      if (shaped !== null) this.#done.push({ ...shaped, flagged: capture.flagged });
    }
  }
}

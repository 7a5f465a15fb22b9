// One worker as the main isolate has it: how far it is, what it said of itself, who waits for its answer.

import type { Moved } from "../forward/moving.ts";
import type { Isolate } from "./isolate.ts";
import type { ToWorker } from "./worker_messages.ts";

export class Member {
  state: "loading" | "starting" | "serving" | "leaving" = "loading";
  /** The port that it listens on; rejected where it cannot, or ends before. */
  readonly ready = Promise.withResolvers<number>();
  /** The share of its time, 0 to 1, that it was at work between the last two looks. */
  share = 0;
  /** Requests under way. */
  running = 0;
  /** Who waits until it has done what it was told, in the order in which they asked. */
  readonly catchingUp: (() => void)[] = [];
  moved: ((moved: Moved) => void) | null = null;
  drained: (() => void) | null = null;

  constructor(readonly index: number, readonly isolate: Isolate) {}

  tell(message: ToWorker): void {
    this.isolate.postMessage(message);
  }

  /** It has ended: nobody waits for it any more. */
  gone(): void {
    for (const resolve of this.catchingUp.splice(0)) resolve();
  }
}

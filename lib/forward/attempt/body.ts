// The body of an answer, read piece by piece or whole, within the limits of its attempt.

import type { Slab } from "../../http/memory.ts";
import { readFrom, type UpstreamCall } from "../transport.ts";
import type { TimeLimits } from "./limits.ts";

/** How long the end of the body may take after `[DONE]`. */
export const DONE_MS = 500;

export class AnswerBody {
  constructor(
    readonly call: UpstreamCall,
    private readonly limits: TimeLimits,
    private readonly slab: Slab,
  ) {}

  /** Next bytes; the idle limit runs only while the instance is waited for. null at the end. */
  async next(): Promise<Uint8Array | null> {
    this.limits.idle();
    const piece = await readFrom(this.call);
    this.limits.rest();
    return piece;
  }

  /**
   * Reads to the end, or until `limit` bytes are passed. Waits no longer than the idle limit for each
   * piece, and until `until` for all of them.
   */
  async whole(
    limit: number,
    until = Infinity,
  ): Promise<{ pieces: Uint8Array[]; isWhole: boolean }> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const piece = await readFrom(this.call);
      if (piece !== null) {
        pieces.push(this.slab.copy(piece));
        size += piece.length;
      }
      if (piece === null || size > limit) {
        this.limits.rest();
        return { pieces, isWhole: piece === null };
      }
      this.limits.nextOf(until);
    }
  }
}

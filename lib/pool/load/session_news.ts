// Which sessions were sent where, for other gateways to hear of, as it is told of prompts (prefix/outbox.ts).

import type { Layout } from "../memory/layout.ts";
import { Ring } from "../memory/ring.ts";

/** More than these in one note would be refused. */
export const MOST_SESSIONS = 1024;

/** A session was sent to the instance in `slot`, with a prompt of so many tokens. */
export interface SessionMove {
  readonly session: number;
  readonly slot: number;
  readonly tokens: number;
}

export class SessionNews {
  readonly #ring: Ring;
  readonly #sessions: Float64Array;
  readonly #slots: Int32Array;
  readonly #tokens: Int32Array;

  constructor(layout: Layout) {
    this.#ring = new Ring(layout, MOST_SESSIONS);
    this.#sessions = layout.doubles(MOST_SESSIONS);
    this.#slots = layout.ints(MOST_SESSIONS);
    this.#tokens = layout.ints(MOST_SESSIONS);
  }

  /** From now on moves are kept, none of before. */
  open(): void {
    this.#ring.open();
  }

  close(): void {
    this.#ring.close();
  }

  note(session: number, slot: number, tokens: number): void {
    if (!this.#ring.isOpen) return;
    const at = this.#ring.next();
    this.#sessions[at] = session;
    this.#slots[at] = slot;
    this.#tokens[at] = tokens;
  }

  /** What was noted since the last time, oldest first; of each session its last place. */
  take(): SessionMove[] {
    const { from, count } = this.#ring.take();
    const moves = new Map<number, SessionMove>();
    for (let i = 0; i < count; i++) {
      const at = (from + i) % MOST_SESSIONS;
      const session = this.#sessions[at];
      moves.delete(session);
      moves.set(session, { session, slot: this.#slots[at], tokens: this.#tokens[at] });
    }
    return [...moves.values()];
  }
}

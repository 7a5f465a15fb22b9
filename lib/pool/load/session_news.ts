// Which sessions were sent where, for other gateways to hear of: a ring in the memory that workers share, as the
// one of prompts is (prefix/outbox.ts). Under the pool's lock. Closed it costs nothing; a reader that is late loses
// the oldest.

import type { Layout } from "../memory/layout.ts";

/** More than these in one note would be refused. */
export const MOST_SESSIONS = 1024;

const OPEN = 0;
const WRITTEN = 1;
const TAKEN = 2;

/** A session was sent to the instance in `slot`, with a prompt of so many tokens. */
export interface SessionMove {
  readonly session: number;
  readonly slot: number;
  readonly tokens: number;
}

export class SessionNews {
  readonly #state: Int32Array;
  readonly #sessions: Float64Array;
  readonly #slots: Int32Array;
  readonly #tokens: Int32Array;

  constructor(layout: Layout) {
    this.#state = layout.ints(3);
    this.#sessions = layout.doubles(MOST_SESSIONS);
    this.#slots = layout.ints(MOST_SESSIONS);
    this.#tokens = layout.ints(MOST_SESSIONS);
  }

  /** From now on moves are kept, none of before. */
  open(): void {
    this.#state[TAKEN] = this.#state[WRITTEN];
    this.#state[OPEN] = 1;
  }

  close(): void {
    this.#state[OPEN] = 0;
  }

  note(session: number, slot: number, tokens: number): void {
    if (this.#state[OPEN] === 0) return;
    const at = (this.#state[WRITTEN]++ >>> 0) % MOST_SESSIONS;
    this.#sessions[at] = session;
    this.#slots[at] = slot;
    this.#tokens[at] = tokens;
  }

  /** What was noted since the last time, oldest first; of each session its last place. */
  take(): SessionMove[] {
    const written = this.#state[WRITTEN];
    const count = Math.min(MOST_SESSIONS, (written - this.#state[TAKEN]) >>> 0);
    this.#state[TAKEN] = written;
    const moves = new Map<number, SessionMove>();
    for (let behind = count; behind > 0; behind--) {
      const at = ((written - behind) >>> 0) % MOST_SESSIONS;
      const session = this.#sessions[at];
      moves.delete(session);
      moves.set(session, { session, slot: this.#slots[at], tokens: this.#tokens[at] });
    }
    return [...moves.values()];
  }
}

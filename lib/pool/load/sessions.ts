// Which instance a session was sent to last, and how much of its prompt that instance has: for clients that say
// to which conversation a request belongs. A bounded table in the memory that workers share, in which the old
// give way. Under the pool's lock.

import { HashTable } from "../memory/hash_table.ts";
import type { Layout } from "../memory/layout.ts";

/** Sessions that are remembered, about. */
const MAX_SESSIONS = 32_768;
/** A session may stand at any of so many places; where all are taken, one in turn gives way. */
const REACH = 8;

/** Where a session is. */
export interface SessionPlace {
  /** -1 for nowhere. */
  readonly slot: number;
  /** Of the prompt that it sent there last. */
  readonly tokens: number;
}

export const NOWHERE: SessionPlace = { slot: -1, tokens: 0 };

export class Sessions {
  readonly #table: HashTable;
  /** Slots plus 1; 0 for nowhere. */
  readonly #slots: Uint16Array;
  /** Which life of the slot's instance it was. */
  readonly #lives: Int32Array;
  readonly #tokens: Int32Array;
  readonly #turn: Int32Array;
  /** For each slot, how often what its instance held was lost. */
  readonly #life: Int32Array;

  constructor(layout: Layout, slots: number) {
    this.#table = new HashTable(layout, MAX_SESSIONS, REACH);
    this.#slots = layout.shorts(MAX_SESSIONS);
    this.#lives = layout.ints(MAX_SESSIONS);
    this.#tokens = layout.ints(MAX_SESSIONS);
    this.#turn = layout.ints(1);
    this.#life = layout.ints(slots);
  }

  /** The place of `session` (a number that stands for it, 0 for none). */
  of(session: number): SessionPlace {
    if (session === 0) return NOWHERE;
    const place = this.#table.find(session);
    if (place < 0 || this.#slots[place] === 0) return NOWHERE;
    const slot = this.#slots[place] - 1;
    if (this.#lives[place] !== this.#life[slot]) return NOWHERE;
    return { slot, tokens: this.#tokens[place] };
  }

  /** It is at this place now. */
  note(session: number, { slot, tokens }: SessionPlace): void {
    let place = this.#table.find(session);
    if (place < 0) {
      if (slot < 0) return;
      place = this.#table.claim(session, (held) => this.#slots[held] === 0);
      if (place < 0) place = this.#table.displace(session, this.#turn[0]++ >>> 0);
    }
    this.#slots[place] = slot + 1;
    this.#lives[place] = slot < 0 ? 0 : this.#life[slot];
    this.#tokens[place] = tokens;
  }

  /** What the instance in `slot` held is lost, or another one is there now. */
  forget(slot: number): void {
    this.#life[slot]++;
  }
}

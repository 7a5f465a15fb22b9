// Events without their token ids, where a piece of the stream cannot be cleaned in its place: written one
// behind the other into memory of their own, which they share with the next piece's.

import { latin1Text } from "../http/latin1.ts";

const NOTHING = new Uint8Array(0);

/** Takes token ids out of events, and keeps them. */
export interface IdKeeper {
  /** The ids so far. */
  readonly answer: readonly number[];
  /** Whether something of it may stand in what begins in bytes[from, …); most pieces are told so at once. */
  concerns(bytes: Uint8Array, from: number): boolean;
  /** Whether the client gets the ids. */
  readonly keeps: boolean;
  /** Keeps the first `count` ids; those behind come again. */
  cutBack(count: number): void;
  /**
   * Writes the event bytes[start, end) to `to` from `at` on, without the ids that the client did not ask
   * for; returns its end there. `to` must have room for the event and four bytes more for each list.
   */
  take(bytes: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number;
  /**
   * The same for an event that is all of `bytes`, in its place: returns its end, or -1 where it has to be
   * copied and nothing was done.
   */
  takeInPlace(bytes: Uint8Array): number;
  /** Undoes a `takeInPlace` that returned `cleanEnd`, before anything else was taken: `count` ids are left. */
  putBack(bytes: Uint8Array, cleanEnd: number, count: number): void;
}

/** The events of one piece that may go on to the client, and behind them the one that is looked at. */
export class CleanEvents {
  /** Where they are, until the next `put`. */
  memory: Uint8Array = NOTHING;
  /** Up to here they may go on; the one looked at begins here. */
  start = 0;
  /** The end of the one looked at. */
  end = 0;
  /** Token ids that were known before it. */
  #idsBefore = 0;

  constructor(readonly ids: IdKeeper) {}

  /** Forgets the events of the piece before. */
  clear(): void {
    this.start = 0;
  }

  /** The event bytes[start, end) is the one looked at, in place of one that was not accepted. */
  put(bytes: Uint8Array, start: number, end: number): void {
    this.#idsBefore = this.ids.answer.length;
    const memory = this.#roomFor(end - start);
    this.end = this.ids.take(bytes, start, end, memory, this.start);
  }

  /** It ends elsewhere and will be put again: its ids, too, come again. */
  takeBack(): void {
    this.ids.cutBack(this.#idsBefore);
  }

  /** It may go on. */
  accept(): void {
    this.start = this.end;
  }

  /** Whether it had token ids. */
  get hadIds(): boolean {
    return this.ids.answer.length !== this.#idsBefore;
  }

  /** Its text, a character for each byte. */
  get text(): string {
    return latin1Text(this.memory, this.start, this.end);
  }

  /** All that may go on, valid until the next piece. */
  get accepted(): Uint8Array {
    return this.memory.subarray(0, this.start);
  }

  /** Memory with room for an event of `length` bytes, of which lists may become longer. */
  #roomFor(length: number): Uint8Array {
    // A list of one digit in brackets is a byte shorter than null; an event has few lists.
    const needed = this.start + length + (length >> 2) + 64;
    if (needed <= this.memory.length) return this.memory;
    const larger = new Uint8Array(Math.max(1024, needed * 2));
    larger.set(this.memory.subarray(0, this.start));
    return this.memory = larger;
  }
}

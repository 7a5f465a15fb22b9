// What comes out of the stage of policies: the events of this call, and all of them for the record. As long
// as that is what was generated, in its order and unchanged, it is not kept a second time.

import { EventStore } from "../../sse/event_store.ts";
import { anyEventEnd } from "../../sse/framing.ts";
import { Copies } from "./copies.ts";

const NOTHING = new Uint8Array(0);
/** The number of an event that was made or changed here. */
export const MADE = -1;

export class Output {
  /** Every event that came out; null while they are the first ones generated. */
  #own: EventStore | null = null;
  /** How many of those came out. */
  #count = 0;
  #first: Uint8Array | null = null;
  #more: Uint8Array[] | null = null;
  #length = 0;
  /** Bytes of this call that went out as they came. */
  #asCame = 0;
  readonly #copies = new Copies();

  constructor(
    private readonly maxBytes: number,
    /** Where every event is kept before it comes here; null where that is nowhere. */
    private readonly generated: () => EventStore | null,
  ) {}

  /** Every event that came out. */
  get store(): EventStore {
    const generated = this.#own === null ? this.generated() : null;
    return generated !== null && generated.count <= this.#count ? generated : this.apart();
  }

  begin(): void {
    this.#first = this.#more = null;
    this.#length = this.#asCame = 0;
  }

  /** What came out since `begin`; `came` itself where that is the same. */
  taken(came: Uint8Array): Uint8Array {
    if (this.#asCame === came.length && this.#length === came.length) return came;
    const [first, more] = [this.#first, this.#more];
    if (first === null) return NOTHING;
    return more === null ? first : this.#copies.joined([first, ...more], this.#length);
  }

  /** One event, the `number`-th of those that are kept where it was generated, or MADE. */
  emit(bytes: Uint8Array, isAsCame: boolean, number: number): void {
    if (this.#own === null && number === this.#count && this.generated() !== null) this.#count++;
    else this.apart().push(bytes, 0, bytes.length);
    if (this.#first === null) this.#first = bytes;
    else if (this.#more === null) this.#more = [bytes];
    else this.#more.push(bytes);
    this.#length += bytes.length;
    if (isAsCame) this.#asCame += bytes.length;
  }

  /** Events that were made here. */
  emitAll(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length;) {
      const next = anyEventEnd(bytes, start, bytes.length);
      const end = next < 0 ? bytes.length : next;
      this.emit(bytes.subarray(start, end), false, MADE);
      start = end;
    }
  }

  /** From here on what comes out is kept by itself, whatever was generated. */
  apart(): EventStore {
    if (this.#own !== null) return this.#own;
    const own = this.#own = new EventStore(this.maxBytes);
    const generated = this.#count === 0 ? null : this.generated();
    if (generated === null) return own;
    let left = this.#count;
    for (const { bytes } of generated.steps()) {
      if (left-- === 0) return own;
      own.push(bytes, 0, bytes.length);
    }
    if (left > 0 && generated.truncated) own.truncated = true;
    return own;
  }

  /** The same bytes in memory of their own. */
  copyOf(bytes: Uint8Array): Uint8Array {
    return this.#copies.of(bytes);
  }
}

// What comes out of the stage of policies: the events of this call, and all of them for the record.

import { EventStore } from "../../sse/event_store.ts";
import { anyEventEnd } from "../../sse/framing.ts";
import { Copies } from "./copies.ts";
import type { Shape } from "./shape.ts";

const NOTHING = new Uint8Array(0);
/** What longer events share is not worth to be known. */
const SHORT_BYTES = 4096;

export class Output {
  /** Every event that came out. */
  readonly store: EventStore;
  #out: Uint8Array[] = [];
  #length = 0;
  /** Bytes of this call that went out as they came. */
  #asCame = 0;
  /** Of the event that came out last; null where that says nothing about the next. */
  #lastShape: Shape | null = null;
  readonly #copies = new Copies();

  constructor(maxBytes: number) {
    this.store = new EventStore(maxBytes);
  }

  begin(): void {
    if (this.#out.length > 0) this.#out = [];
    this.#length = this.#asCame = 0;
  }

  /** What came out since `begin`; `came` itself where that is the same. */
  taken(came: Uint8Array): Uint8Array {
    if (this.#asCame === came.length && this.#length === came.length) return came;
    const out = this.#out;
    if (out.length === 0) return NOTHING;
    return out.length === 1 ? out[0] : this.#copies.joined(out, this.#length);
  }

  /** One event, in its shape where it has one. */
  emit(bytes: Uint8Array, isAsCame: boolean, shape: Shape | null = null): void {
    const { store } = this;
    if (shape !== null && shape === this.#lastShape && shape.isFixed) {
      store.prefix = shape.prefix;
      store.suffix = shape.suffix;
      store.keep(bytes, 0, bytes.length);
    } else store.push(bytes, 0, bytes.length);
    this.#lastShape = bytes.length < SHORT_BYTES ? shape : null;
    this.#out.push(bytes);
    this.#length += bytes.length;
    if (isAsCame) this.#asCame += bytes.length;
  }

  /** Events that were made here. */
  emitAll(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length;) {
      const next = anyEventEnd(bytes, start, bytes.length);
      const end = next < 0 ? bytes.length : next;
      this.emit(bytes.subarray(start, end), false);
      start = end;
    }
  }

  /** The same bytes in memory of their own. */
  copyOf(bytes: Uint8Array): Uint8Array {
    return this.#copies.of(bytes);
  }
}

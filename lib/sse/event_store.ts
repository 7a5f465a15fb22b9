// Keeps the events of one stream, compactly and without loss, at a cost that the path of a chunk can
// bear. Chunks of one answer differ in a few bytes only, so of each event just what differs from the
// one before it is kept (front coding); nothing is decoded or parsed here.

import { copied } from "../http/copied.ts";
import { joined } from "../http/joined.ts";

const FIRST_SIZE = 512;
const NOTHING = new Uint8Array(0);
/** A longer event shares too little with its neighbours to be worth a look at all of its bytes. */
const LONG_BYTES = 64 * 1024;
/**
 * However little events that are alike take here, together they become one text, and the longest that the
 * engine has ends the process. A million tokens have no more.
 */
const MAX_WHOLE_BYTES = 256 * 1024 * 1024;

export class EventStore {
  /** Events after this point were not kept, because there is no more room for them. */
  truncated = false;
  /** Events kept. */
  count = 0;
  /** Bytes that the event compared last has in common with the one kept last, from both ends. */
  prefix = 0;
  suffix = 0;
  /** Events kept when that one was compared. */
  #compared = 0;
  /** Bytes of all events as they came. */
  #whole = 0;
  /** No event kept is longer. */
  longest = FIRST_SIZE;
  #data = new Uint8Array(FIRST_SIZE);
  #length = 0;
  /** The event before, in full. */
  #previous = new Uint8Array(FIRST_SIZE);
  #previousLength = 0;

  /** `maxBytes` bounds the memory of one stream. */
  constructor(private readonly maxBytes: number) {}

  /** Bytes that the events take here. */
  get size(): number {
    return this.#length;
  }

  /** Keeps the event bytes[start, end). */
  push(bytes: Uint8Array, start: number, end: number): void {
    this.compare(bytes, start, end);
    this.keep(bytes, start, end);
  }

  /** Whether `prefix` and `suffix` are what the last two events kept have in common. */
  get isComparedKept(): boolean {
    return this.#compared === this.count - 1;
  }

  /** Sets `prefix` and `suffix` for an event that is then kept or not. */
  compare(bytes: Uint8Array, start: number, end: number): void {
    this.#compared = this.count;
    const length = end - start;
    if (length > LONG_BYTES) {
      this.prefix = this.suffix = 0;
      return;
    }
    const previous = this.#previous;
    const previousLength = this.#previousLength;
    const shorter = length < previousLength ? length : previousLength;
    let prefix = 0;
    while (prefix < shorter && bytes[start + prefix] === previous[prefix]) prefix++;
    const left = shorter - prefix;
    let suffix = 0;
    while (suffix < left && bytes[end - 1 - suffix] === previous[previousLength - 1 - suffix]) {
      suffix++;
    }
    this.prefix = prefix;
    this.suffix = suffix;
  }

  /** Keeps an event that was compared. */
  keep(bytes: Uint8Array, start: number, end: number): void {
    if (this.truncated) return;
    const { prefix, suffix } = this;
    const length = end - start;
    const middle = length - prefix - suffix;
    this.#whole += length;
    if (this.#whole > MAX_WHOLE_BYTES) {
      this.truncated = true;
      return;
    }
    if (this.#length + middle + 15 > this.#data.length && !this.#grow(middle + 15)) return;
    this.#number(prefix);
    this.#number(suffix);
    this.#number(middle);
    const from = start + prefix;
    const data = this.#data;
    this.#length = copied(bytes, from, from + middle, data, this.#length);
    this.count++;
    this.#remember(bytes, start, length, prefix, suffix);
  }

  /** The events in their order, each restored into memory of its own. */
  *events(): Generator<Uint8Array> {
    for (const { bytes } of this.steps()) yield bytes.slice();
  }

  /** The events in their order, each with what it shares with the one before. */
  *steps(): Generator<EventStep> {
    const data = this.#data;
    let at = 0;
    const number = () => {
      let value = 0;
      for (let factor = 1;; factor *= 128) {
        const byte = data[at++];
        value += (byte & 127) * factor;
        if (byte < 128) return value;
      }
    };
    let memory = new Uint8Array(FIRST_SIZE);
    let before = 0;
    while (at < this.#length) {
      const prefix = number();
      const suffix = number();
      const middle = number();
      const length = prefix + middle + suffix;
      if (length > LONG_BYTES) {
        // Alone: nothing before it is needed for it, nor it for what follows.
        yield { bytes: data.subarray(at, at + middle), prefix, suffix };
        at += middle;
        before = 0;
        continue;
      }
      if (length > memory.length) {
        const larger = new Uint8Array(length * 2);
        larger.set(memory.subarray(0, before));
        memory = larger;
      }
      // The suffix first: the middle may reach into the place that it had.
      if (length !== before) memory.copyWithin(prefix + middle, before - suffix, before);
      copied(data, at, at + middle, memory, prefix);
      at += middle;
      before = length;
      yield { bytes: memory.subarray(0, length), prefix, suffix };
    }
  }

  /** All events as they came, one after the other. */
  bytes(): Uint8Array {
    return joined([...this.events()]);
  }

  /** What another isolate needs to have the same store; the memory itself may be transferred. */
  pack(): PackedEvents {
    return {
      data: this.#data.slice(0, this.#length),
      count: this.count,
      truncated: this.truncated,
      longest: this.longest,
    };
  }

  static unpack(packed: PackedEvents): EventStore {
    const store = new EventStore(packed.data.length);
    store.#data = packed.data;
    store.#length = packed.data.length;
    store.count = packed.count;
    store.truncated = packed.truncated;
    store.longest = packed.longest;
    return store;
  }

  /**
   * Gives the memory back now, when all of it has been read: the collector comes to it much later, since a
   * stream outlives many young collections. Nothing is kept any more.
   */
  release(): void {
    this.#data.buffer.transfer(0);
    this.#data = this.#previous = NOTHING;
    this.#length = this.#previousLength = 0;
    this.truncated = true;
  }

  #number(value: number): void {
    while (value >= 128) {
      this.#data[this.#length++] = (value & 127) | 128;
      value = Math.floor(value / 128);
    }
    this.#data[this.#length++] = value;
  }

  /** Only the bytes that changed are copied; the end moves when the length did. */
  #remember(
    bytes: Uint8Array,
    start: number,
    length: number,
    prefix: number,
    suffix: number,
  ): void {
    if (length > LONG_BYTES) {
      this.#previousLength = 0;
      return;
    }
    if (length > this.#previous.length) {
      const larger = new Uint8Array(length * 2);
      larger.set(bytes.subarray(start, start + length));
      this.#previous = larger;
      this.longest = larger.length;
    } else {
      const until = length === this.#previousLength ? length - suffix : length;
      copied(bytes, start + prefix, start + until, this.#previous, prefix);
    }
    this.#previousLength = length;
  }

  #grow(by: number): boolean {
    const needed = this.#length + by;
    if (needed > this.maxBytes) {
      this.truncated = true;
      return false;
    }
    const larger = Math.min(this.maxBytes, Math.max(needed, Math.ceil(this.#data.length * 1.5)));
    // What is left behind is free at once; an array of its own would wait for the collector.
    this.#data = new Uint8Array(this.#data.buffer.transfer(larger));
    return true;
  }
}

/** One event of a store. */
export interface EventStep {
  /** The whole event; valid until the next step. */
  bytes: Uint8Array;
  /** Bytes that it has in common with the event before, from the front and from the back. */
  prefix: number;
  suffix: number;
}

/** An EventStore on its way to another isolate. */
export interface PackedEvents {
  data: Uint8Array<ArrayBuffer>;
  count: number;
  truncated: boolean;
  longest: number;
}

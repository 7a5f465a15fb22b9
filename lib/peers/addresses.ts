// Instances as gateways name them to each other: by a number of their address, whatever slots they have here.

import type { Instance } from "../pool/instance.ts";
import { NOTE } from "../pool/prefix/outbox.ts";
import type { SessionMove } from "../pool/load/session_news.ts";
import type { Sent, SessionPlace } from "./note.ts";

export class Addresses {
  readonly #slots = new Map<number, number[]>();
  readonly #addresses = new Map<number, number>();
  /** Of a server that is configured for several models apart the first has its address, the next one more. */
  readonly #places = new Map<number, number>();

  constructor(instances: readonly Pick<Instance, "addressKey" | "slot">[]) {
    for (const { addressKey, slot } of instances) {
      const same = this.slotsOf(addressKey);
      this.#places.set(addressKey + same.length, slot);
      this.#slots.set(addressKey, [...same, slot]);
      this.#addresses.set(slot, addressKey);
    }
  }

  /** More than one where a server is configured for several models apart. */
  slotsOf(address: number): readonly number[] {
    return this.#slots.get(address) ?? [];
  }

  /** Each slot and its address. */
  entries(): Iterable<readonly [slot: number, address: number]> {
    return this.#addresses;
  }

  /** Where sessions went, by address and by which of those that share it. */
  sessions(moves: readonly SessionMove[]): SessionPlace[] {
    return moves.flatMap(({ session, slot, tokens }) => {
      const address = this.#addresses.get(slot);
      if (address === undefined) return [];
      return { session, address: address + this.slotsOf(address).indexOf(slot), tokens };
    });
  }

  /** The slot of an address in `sessions`; undefined for one that is not known here. */
  slotOf(place: number): number | undefined {
    return this.#places.get(place);
  }

  /** What the outbox gives, by address; what went to instances that are gone is left out. */
  sent(words: Int32Array): Sent[] {
    const hashes = new Map<number, number[]>();
    for (let at = 0; at < words.length; at += NOTE) {
      const address = this.#addresses.get(words[at]);
      if (address === undefined) continue;
      let list = hashes.get(address);
      if (list === undefined) hashes.set(address, list = []);
      list.push(words[at + 1], words[at + 2]);
    }
    return [...hashes].map(([address, list]) => ({ address, hashes: Int32Array.from(list) }));
  }
}

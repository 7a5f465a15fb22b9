// How many connections each client address holds, over all workers. The counts live in the memory that
// the workers share; this file finds an address its place there.

import { MAX_ADDRESSES, type SharedState } from "../../pool/shared_state.ts";

/** Places that are looked at for one address. */
const PROBES = 64;

export class AddressCounts {
  constructor(private readonly shared: SharedState) {}

  /**
   * Counts one more connection of `address`, unless it holds `limit` already ("full"). "uncounted" when
   * there is no room to count: thousands of addresses are connected, and this one is let in.
   */
  take(address: string, limit: number): "counted" | "full" | "uncounted" {
    return this.shared.locked(() => {
      const place = this.#find(keyOf(address), true);
      if (place < 0) return "uncounted";
      if (this.shared.connections(place) >= limit) return "full";
      this.shared.addConnections(place, 1);
      return "counted";
    });
  }

  /** Takes back what was "counted" by this worker. */
  giveBack(address: string): void {
    this.shared.locked(() => {
      const place = this.#find(keyOf(address), false);
      if (place >= 0) this.shared.addConnections(place, -1);
    });
  }

  /** The place of `key`, or -1; `claim` gives it the first one that nobody uses. */
  #find(key: number, claim: boolean): number {
    const { addressKeys } = this.shared;
    let unused = -1;
    for (let probe = 0; probe < PROBES; probe++) {
      const place = (key + probe) % MAX_ADDRESSES;
      const held = addressKeys[place];
      if (held === key) return place;
      if (unused < 0 && (held === 0 || this.shared.connections(place) === 0)) unused = place;
      // Keys are replaced but never removed, so none lies behind a place that was never used.
      if (held === 0) break;
    }
    if (claim && unused >= 0) addressKeys[unused] = key;
    return claim ? unused : -1;
  }
}

/** 52 bits of FNV-1a and a variant of it, never 0: two addresses share a count by no real chance. */
function keyOf(address: string): number {
  let one = 0x811c9dc5;
  let two = 0x1b873593;
  for (let at = 0; at < address.length; at++) {
    const code = address.charCodeAt(at);
    one = Math.imul(one ^ code, 0x01000193);
    two = Math.imul(two ^ code, 0x85ebca6b) ^ (two >>> 13);
  }
  return (one >>> 0) * 0x100000 + (two >>> 12) + 1;
}

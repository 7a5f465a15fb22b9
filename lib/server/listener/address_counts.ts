// How many connections each client address may hold, over all workers. Where they are counted is known to
// the memory that the workers share.

import type { SharedState } from "../../pool/shared_state.ts";

export class AddressCounts {
  constructor(private readonly shared: SharedState) {}

  /**
   * Counts one more connection of `address`, unless it holds `limit` already ("full"). "uncounted" when
   * there is no room to count: thousands of addresses are connected, and this one is let in.
   */
  take(address: string, limit: number): "counted" | "full" | "uncounted" {
    const { addresses } = this.shared;
    return this.shared.locked(() => {
      const place = addresses.claim(address);
      if (place < 0) return "uncounted";
      if (addresses.connections(place) >= limit) return "full";
      addresses.add(place, 1);
      return "counted";
    });
  }

  /** Takes back what was "counted" by this worker. */
  giveBack(address: string): void {
    const { addresses } = this.shared;
    this.shared.locked(() => {
      const place = addresses.find(address);
      if (place >= 0) addresses.add(place, -1);
    });
  }
}

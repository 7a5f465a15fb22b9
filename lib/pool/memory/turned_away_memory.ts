// Clients that were turned away before their requests were read, and so are in no other figure.

import type { Layout } from "./layout.ts";

/** open_files: no descriptor is left for them; per_address: their address has all the connections it may have. */
const TURNED_AWAY = ["open_files", "per_address"] as const;
export type TurnedAway = typeof TURNED_AWAY[number];

/** One count for all workers: what one that died has counted stays. */
export class TurnedAwayMemory {
  readonly #counts: Int32Array;

  constructor(layout: Layout) {
    this.#counts = layout.ints(TURNED_AWAY.length);
  }

  add(why: TurnedAway): void {
    Atomics.add(this.#counts, TURNED_AWAY.indexOf(why), 1);
  }

  get counts(): Readonly<Record<TurnedAway, number>> {
    const [openFiles, perAddress] = TURNED_AWAY.map((_, at) =>
      Atomics.load(this.#counts, at) >>> 0
    );
    return { open_files: openFiles, per_address: perAddress };
  }
}

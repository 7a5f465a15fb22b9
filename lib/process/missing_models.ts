// Models that are asked for and not there: instances that say themselves what they serve may have them by now.

import type { Fleet } from "../pool/fleet.ts";

/** How often one isolate says that a model is asked for which nobody is known for. */
const MISSED_MS = 100;

export class MissingModels {
  #missedAt = -Infinity;

  constructor(
    private readonly fleet: Fleet,
    private readonly now: () => number,
    /** The instance of this id lacks a model that it is known for; null: nobody is known for the one asked for. */
    private readonly onMissing: (id: string | null) => void,
  ) {}

  /** The instance of this id lacks a model that it is known for. */
  atInstance(id: string): void {
    if (this.#isListed) this.#tell(id);
  }

  /** Nobody is known for the one asked for. Clients may ask for what is not there as fast as they like. */
  everywhere(): void {
    if (!this.#isListed || this.now() - this.#missedAt < MISSED_MS) return;
    this.#tell(null);
  }

  get #isListed(): boolean {
    return this.fleet.instances.some(({ config }) => config.listsModels);
  }

  #tell(id: string | null): void {
    this.#missedAt = this.now();
    this.onMissing(id);
  }
}

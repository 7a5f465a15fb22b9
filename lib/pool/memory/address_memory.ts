// The connections of each client address, over all workers.

import { hashOf, HashTable } from "./hash_table.ts";
import type { Layout } from "./layout.ts";
import { WorkerCounts, type Workers } from "./worker_counts.ts";

/** Client addresses whose connections are counted at once. */
export const MAX_ADDRESSES = 4096;
/** Places that are looked at for one address. */
const REACH = 64;

export class AddressMemory {
  readonly #table: HashTable;
  readonly #connections: WorkerCounts;

  constructor(layout: Layout, workers: Workers) {
    this.#connections = new WorkerCounts(layout, MAX_ADDRESSES, workers);
    this.#table = new HashTable(layout, MAX_ADDRESSES, REACH);
  }

  /** The place of an address, its own until its last connection is gone; -1 when there is no room. */
  claim(address: string): number {
    return this.#table.claim(hashOf(address), (place) => this.connections(place) === 0);
  }

  /** The place of an address that has connections, or -1. */
  find(address: string): number {
    return this.#table.find(hashOf(address));
  }

  connections(place: number): number {
    return this.#connections.sum(place);
  }

  add(place: number, change: 1 | -1): void {
    this.#connections.add(place, change);
  }

  dropWorker(worker: number): void {
    this.#connections.drop(worker);
  }
}

// All that routing remembers, in the memory that workers share: what was sent where, what is under way, what
// was learned and seen. The areas are put together here; what they mean stands with each.

import type { Layout } from "../memory/layout.ts";
import type { Workers } from "../memory/worker_counts.ts";
import { PrefixIndex } from "../prefix/prefix_index.ts";
import { Learned } from "./learned.ts";
import { OwnTraffic } from "./own_traffic.ts";
import { Seen } from "./seen.ts";
import { Trust } from "./trust.ts";

/** Chunks of prompts that are remembered: 32 bytes each. */
const INDEX_CHUNKS = 131_072;
/** Chunks that fit into the cache of an instance which does not say its size: a million tokens. Too many cost nothing, too few cost hits. */
const USUAL_CAPACITY = 7812;

export class RoutingMemory {
  readonly index: PrefixIndex;
  readonly own: OwnTraffic;
  readonly learned: Learned;
  readonly seen: Seen;
  readonly trust: Trust;

  constructor(
    layout: Layout,
    slots: number,
    workers: Workers,
    indexChunks = INDEX_CHUNKS,
    usualCapacity = USUAL_CAPACITY,
  ) {
    this.own = new OwnTraffic(layout, slots, workers);
    this.learned = new Learned(layout, slots);
    this.seen = new Seen(layout, slots);
    this.trust = new Trust(layout, slots);
    this.index = new PrefixIndex(layout, slots, indexChunks, usualCapacity);
  }

  /** Makes `slot` fresh for a new instance or model. */
  clear(slot: number): void {
    this.learned.clear(slot);
    this.seen.clear(slot);
    this.restarted(slot);
  }

  /** The instance in `slot` was started anew: its cache is empty. */
  restarted(slot: number): void {
    this.trust.reset(slot);
    this.index.forget(slot);
  }

  /** Forgets what a worker that died had under way. What it sent is in the caches all the same. */
  dropWorker(worker: number): void {
    this.own.dropWorker(worker);
  }
}

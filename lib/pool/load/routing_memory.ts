// All that routing remembers, in the memory that workers share: what was sent where, what is under way, what
// was learned and seen. The areas are put together here; what they mean stands with each.

import type { Layout } from "../memory/layout.ts";
import type { Workers } from "../memory/worker_counts.ts";
import { CHUNK_BYTES } from "../prefix/chain.ts";
import { Outbox } from "../prefix/outbox.ts";
import { PrefixIndex } from "../prefix/prefix_index.ts";
import { Booked } from "./booked.ts";
import { Learned } from "./learned.ts";
import { OwnTraffic } from "./own_traffic.ts";
import { SessionNews } from "./session_news.ts";
import { Sessions } from "./sessions.ts";
import { Seen } from "./seen.ts";
import { ToldTraffic } from "./told.ts";
import { Trust } from "./trust.ts";
import type { InstanceLoad } from "./vllm_metrics.ts";

/** Chunks of prompts that are remembered: 32 bytes each. */
const INDEX_CHUNKS = 131_072;
/** Chunks that fit into the cache of an instance which does not say its size: a million tokens. Too many cost nothing, too few cost hits. */
const USUAL_CAPACITY = 7812;
/** Of text, rather too many: a cache that is taken for too large costs nothing. */
const GENEROUS_BYTES_PER_TOKEN = 5;

export class RoutingMemory {
  readonly index: PrefixIndex;
  readonly own: OwnTraffic;
  readonly learned: Learned;
  readonly seen: Seen;
  readonly trust: Trust;
  readonly booked: Booked;
  readonly sessions: Sessions;
  /** What other gateways say, and what they are to hear. */
  readonly told: ToldTraffic;
  readonly outbox: Outbox;
  readonly sessionNews: SessionNews;

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
    this.booked = new Booked(layout, slots);
    this.sessions = new Sessions(layout, slots);
    this.told = new ToldTraffic(layout, slots);
    this.outbox = new Outbox(layout);
    this.sessionNews = new SessionNews(layout);
    this.index = new PrefixIndex(layout, slots, indexChunks, usualCapacity);
  }

  /** Makes `slot` fresh for a new instance or model. */
  clear(slot: number): void {
    this.learned.clear(slot);
    this.seen.clear(slot);
    this.booked.clear(slot);
    this.told.clear(slot);
    this.index.ages.clearCapacity(slot);
    this.restarted(slot);
  }

  /**
   * Takes what an instance's metrics say at `now` (milliseconds), while this gateway has `inFlight`
   * requests there. Returns whether it was started anew. Under the pool's lock.
   */
  scraped(slot: number, load: InstanceLoad, inFlight: number, now: number): boolean {
    const isAnew = this.seen.scraped(slot, load, inFlight, this.own.unanswered(slot), now);
    if (isAnew) this.restarted(slot);
    if (load.queries !== null && load.hits !== null) {
      this.trust.counted(slot, load.queries, load.hits);
    }
    if (load.cachesPrefixes !== null) this.trust.told(slot, load.cachesPrefixes);
    return isAnew;
  }

  /** The KV cache of the instance in `slot` holds so many tokens. Under the pool's lock. */
  setCapacity(slot: number, tokens: number): void {
    this.index.ages.setCapacity(slot, tokens * GENEROUS_BYTES_PER_TOKEN / CHUNK_BYTES);
  }

  /** The instance in `slot` was started anew: its cache is empty. */
  restarted(slot: number): void {
    this.trust.reset(slot);
    this.index.forget(slot);
    this.sessions.forget(slot);
  }

  /** Forgets what a worker that died had under way. What it sent is in the caches all the same. */
  dropWorker(worker: number): void {
    this.own.dropWorker(worker);
  }
}

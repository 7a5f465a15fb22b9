// How much callers may use, as one isolate keeps it over all configurations: their counters, what has been
// learned of sizes, who waits. One request's part of it is a Visit.

import type { SharedStateConfig } from "../config/access.ts";
import type { LimitMemory } from "../pool/memory/limit_memory.ts";
import type { Counters } from "./counters.ts";
import { Estimates } from "./estimates.ts";
import { KeyLines } from "./key_lines.ts";
import { MemoryCounters } from "./memory_counters.ts";
import type { Scope } from "./scope.ts";
import { SharedResponses } from "./shared/shared_responses.ts";
import { SharedCounters } from "./shared/shared_counters.ts";
import { SharedStore } from "./shared/store.ts";

export interface LimitsParts {
  readonly memory: LimitMemory;
  /** The clock that all workers share, in milliseconds. */
  now(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
}

export class Limits {
  readonly estimates = new Estimates();
  readonly lines: KeyLines;
  /** Of this process, or of several gateways. */
  counters: Counters;
  readonly #own: Counters;
  #store: SharedStore | null = null;
  /** In force, and those before in which something is held yet. */
  readonly #sharing = new Set<SharedCounters>();
  /** Whose stored responses are, over several gateways. */
  readonly responses = new SharedResponses(() => this.#store);

  constructor(private readonly parts: LimitsParts) {
    this.counters = this.#own = new MemoryCounters(
      parts.memory,
      parts.now,
      (scopes) => this.lines.freed(scopes),
    );
    this.lines = new KeyLines({
      counters: () => this.counters,
      stands: (change) => parts.memory.stands(change),
      othersWait: () => this.#store !== null || parts.memory.othersStand,
    });
  }

  /** Counts with other gateways from now on, by a server; returns what ends that, once what runs has ended. */
  share(config: SharedStateConfig): () => void {
    const store = new SharedStore(config, {
      onChange: (isUp) => {
        if (isUp) shared.returned();
      },
    });
    const { whenDown } = config;
    const shared = new SharedCounters({ store, whenDown, local: this.#own });
    this.counters = shared;
    this.#store = store;
    this.#sharing.add(shared);
    return () => {
      if (this.counters === shared) {
        this.counters = this.#own;
        this.#store = null;
      }
      void shared.retire().then(() => {
        this.#sharing.delete(shared);
        return store.close();
      });
    };
  }

  /** Waits no more for what was counted with other gateways. */
  close(): void {
    for (const shared of this.#sharing) void shared.close();
  }

  get wallMs(): number {
    return this.parts.wallMs();
  }

  /**
   * One more of this key's requests waits, if it has fewer than `most` that do. Returns what takes it out of
   * the count, once; null where there are too many.
   */
  takePlace(scope: Scope, most: number): (() => void) | null {
    const { memory } = this.parts;
    const taken = memory.locked(() => {
      const place = memory.place(scope.hash, this.parts.now());
      if (place < 0) return "uncounted";
      if (memory.waiting.sum(place) >= most) return null;
      memory.waiting.add(place, 1);
      return "counted";
    });
    if (taken === null) return null;
    let isOut = taken === "uncounted";
    return () => {
      if (isOut) return;
      isOut = true;
      memory.locked(() => {
        const place = memory.place(scope.hash, this.parts.now());
        if (place >= 0) memory.waiting.add(place, -1);
      });
    };
  }

  /** Requests of this key under way, over all workers. */
  inFlight(scope: Scope): number {
    const { memory } = this.parts;
    return memory.locked(() => {
      const place = memory.place(scope.hash, this.parts.now());
      return place < 0 ? 0 : memory.running.sum(place);
    });
  }
}

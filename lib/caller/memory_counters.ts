// The counters of one process, in the memory that its workers share: what several of them take at the same
// time is taken one after the other, and of all scopes in one step. A bucket is one number, the time at
// which it is full again: half full stays half full when the limit changes, and a clock that all workers
// share fills it.

import type { Bucket, LimitMemory } from "../pool/memory/limit_memory.ts";
import type { Counters, Level, Reservation, Reserved, Shortage, Work } from "./counters.ts";
import { bucketLevel, levelOf, SLOT_GUESS_MS } from "./levels.ts";
import type { BucketRule, Scope } from "./scope.ts";

/** Rounding errors of some thousand additions are far below this. */
const EPSILON_MS = 1e-3;

export class MemoryCounters implements Counters {
  constructor(
    private readonly memory: LimitMemory,
    /** The clock that all workers share, in milliseconds. */
    private readonly now: () => number,
    /** Told of which scopes something was given back, for those who wait. */
    private readonly onFreed: (scopes: readonly Scope[]) => void,
  ) {}

  reserve(work: Work): Reserved {
    const now = this.now();
    this.memory.lock.take();
    try {
      const { scopes } = work;
      let shortages: Shortage[] | null = null;
      for (let at = 0; at < scopes.length; at++) {
        if (scopes[at].isCounted) shortages = this.#missing(scopes[at], work, now, shortages);
      }
      if (shortages !== null) {
        shortages.sort((a, b) => (b.waitMs ?? Infinity) - (a.waitMs ?? Infinity));
        return { kind: "short", shortages, levels: this.#levels(scopes, now) };
      }
      const levels: Level[] = [];
      let uncounted: Scope[] | null = null;
      for (let at = 0; at < scopes.length; at++) {
        if (!this.#takeAll(scopes[at], work, now, levels)) (uncounted ??= []).push(scopes[at]);
      }
      const reservation = { work, levels, isLocal: false, maker: this, uncounted };
      return { kind: "reserved", reservation };
    } finally {
      this.memory.lock.open();
    }
  }

  settle({ work, uncounted = null }: Reservation, tokens: number): void {
    const now = this.now();
    const change = tokens - work.tokens;
    const { scopes } = work;
    this.memory.lock.take();
    try {
      for (let at = 0; at < scopes.length; at++) {
        const scope = scopes[at];
        const { tokens: rule } = scope;
        const settles = rule !== null && change !== 0;
        const frees = work.slot && scope.holdsSlots;
        if ((!settles && !frees) || uncounted?.includes(scope)) continue;
        const place = this.memory.place(scope.hash, now);
        if (place < 0) continue;
        if (settles) this.#take(place, "tokens", rule, change, now);
        if (frees) this.memory.running.add(place, -1);
      }
    } finally {
      this.memory.lock.open();
    }
    this.onFreed(scopes);
  }

  look(scopes: readonly Scope[]): readonly Level[] {
    const now = this.now();
    return this.memory.locked(() => this.#levels(scopes, now));
  }

  reset(scope: Scope): void {
    const now = this.now();
    this.memory.locked(() => {
      const place = this.memory.place(scope.hash, now);
      if (place < 0) return;
      this.memory.setFullAt(place, "requests", 0);
      this.memory.setFullAt(place, "tokens", 0);
    });
    this.onFreed([scope]);
  }

  /** What `scope` has too little of, behind `before`; null where that is nothing. */
  #missing(
    scope: Scope,
    work: Work,
    now: number,
    before: Shortage[] | null,
  ): Shortage[] | null {
    const { requests, tokens, rates: { concurrency } } = scope;
    const place = this.memory.place(scope.hash, now);
    let found = before;
    if (requests !== null) {
      const short = this.#short(scope, place, "requests", requests, work.requests, now);
      if (short !== null) (found ??= []).push(short);
    }
    if (tokens !== null) {
      const short = this.#short(scope, place, "tokens", tokens, work.tokens, now);
      if (short !== null) (found ??= []).push(short);
    }
    if (concurrency !== null && work.slot && this.#running(place) >= concurrency) {
      const level = levelOf(scope, "concurrency", concurrency, 0, 0);
      (found ??= []).push({ ...level, needed: 1, waitMs: SLOT_GUESS_MS });
    }
    return found;
  }

  #short(
    scope: Scope,
    place: number,
    bucket: Bucket,
    rule: BucketRule,
    needed: number,
    now: number,
  ): Shortage | null {
    if (needed === 0) return null;
    const usedMs = this.#usedMs(place, bucket, now);
    const neededMs = needed * rule.unitMs;
    const waitMs = usedMs + neededMs - rule.burstMs;
    if (waitMs <= EPSILON_MS) return null;
    return {
      ...bucketLevel(scope, bucket, rule.perMinute, usedMs),
      needed,
      waitMs: neededMs > rule.burstMs + EPSILON_MS ? null : waitMs,
    };
  }

  /** Takes what `work` needs of `scope`, and adds to `levels` what is left. False where there is no room for it. */
  #takeAll(scope: Scope, work: Work, now: number, levels: Level[]): boolean {
    const { requests, tokens } = scope;
    const holds = work.slot && scope.holdsSlots;
    if (!scope.isCounted && !holds) return true;
    const place = this.memory.place(scope.hash, now);
    if (place >= 0) {
      if (requests !== null) this.#take(place, "requests", requests, work.requests, now);
      if (tokens !== null) this.#take(place, "tokens", tokens, work.tokens, now);
      if (holds) this.memory.running.add(place, 1);
    }
    this.#addLevels(scope, place, now, levels);
    return place >= 0;
  }

  /** `amount` may be less than nothing: then it is given back. */
  #take(place: number, bucket: Bucket, rule: BucketRule, amount: number, now: number): void {
    const fullAt = Math.max(now, this.memory.fullAt(place, bucket)) + amount * rule.unitMs;
    // Whoever overdrew waits longer, but for no longer than for two full buckets.
    this.memory.setFullAt(place, bucket, Math.min(fullAt, now + 2 * rule.burstMs));
  }

  #running(place: number): number {
    return place < 0 ? 0 : this.memory.running.sum(place);
  }

  #usedMs(place: number, bucket: Bucket, now: number): number {
    return place < 0 ? 0 : Math.max(0, this.memory.fullAt(place, bucket) - now);
  }

  #levels(scopes: readonly Scope[], now: number): Level[] {
    const levels: Level[] = [];
    for (const scope of scopes) {
      if (!scope.isCounted) continue;
      const place = this.memory.place(scope.hash, now);
      this.#addLevels(scope, place, now, levels);
    }
    return levels;
  }

  #addLevels(
    scope: Scope,
    place: number,
    now: number,
    levels: Level[],
  ): void {
    const { requests, tokens, rates: { concurrency } } = scope;
    if (requests !== null) {
      const usedMs = this.#usedMs(place, "requests", now);
      levels.push(bucketLevel(scope, "requests", requests.perMinute, usedMs));
    }
    if (tokens !== null) {
      const usedMs = this.#usedMs(place, "tokens", now);
      levels.push(bucketLevel(scope, "tokens", tokens.perMinute, usedMs));
    }
    if (concurrency !== null) {
      const left = concurrency - this.#running(place);
      levels.push(levelOf(scope, "concurrency", concurrency, left, 0));
    }
  }
}

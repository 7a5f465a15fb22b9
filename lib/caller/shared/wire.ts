// What the scripts are told of requests, and what their answers mean (scripts.ts has the order of keys and
// arguments).

import { NO_RATES } from "../../config/access.ts";
import type { Level, Shortage, Work } from "../counters.ts";
import { bucketLevel, levelOf, SLOT_GUESS_MS } from "../levels.ts";
import { burstMsOf, Scope } from "../scope.ts";
import type { SharedStore } from "./store.ts";

type Argument = string | number;

/** How long the server keeps what it knows of a request, in milliseconds. */
export interface Keeping {
  /** A slot that is not renewed. */
  readonly slotMs: number;
  /** The note of a request that runs. */
  readonly noteMs: number;
  /** The note of one that has ended, against repeats. */
  readonly overMs: number;
}

/** A request as the server knows it: by a name that no client can give it. */
export interface Named {
  readonly id: string;
  readonly work: Work;
}

/** A request that has ended. */
export interface Ended extends Named {
  /** Tokens beside those reserved. */
  readonly more: number;
}

/** What a call of a script takes. */
export type Call = readonly [keys: readonly string[], args: readonly Argument[]];

/** A scope's names in the server and its limits: the same for each of its requests. */
interface Known {
  readonly buckets: string;
  readonly slots: string;
  readonly limits: readonly Argument[];
  readonly tokens: readonly Argument[];
  readonly unlimited: Scope;
}

export class Wire {
  readonly #known = new WeakMap<Scope, Known>();

  constructor(private readonly store: SharedStore, private readonly keeping: Keeping) {}

  /** Of `reserve` and `look`. */
  reserve({ id, work }: Named): Call {
    const { scopes, requests, tokens, slot } = work;
    const { slotMs, noteMs } = this.keeping;
    const keys = [this.note(id)];
    const args: Argument[] = [id, requests, tokens, slot ? 1 : 0, slotMs, noteMs];
    for (const scope of scopes) {
      const { buckets, slots, limits } = this.#of(scope);
      keys.push(buckets, slots);
      args.push(...limits);
    }
    return [keys, args];
  }

  settle(ended: readonly Ended[]): Call {
    const keys: string[] = [];
    const args: Argument[] = [this.keeping.overMs];
    for (const { id, work: { scopes }, more } of ended) {
      keys.push(this.note(id));
      args.push(id, more, scopes.length);
      for (const scope of scopes) {
        const { buckets, slots, tokens } = this.#of(scope);
        keys.push(buckets, slots);
        args.push(...tokens);
      }
    }
    return [keys, args];
  }

  renew(running: readonly Named[]): Call {
    const keys: string[] = [];
    const args: Argument[] = [this.keeping.slotMs, this.keeping.noteMs];
    for (const { id, work: { scopes, slot } } of running) {
      const held = slot ? scopes.filter(({ holdsSlots }) => holdsSlots) : [];
      keys.push(this.note(id), ...held.map((scope) => this.#of(scope).slots));
      args.push(id, held.length);
    }
    return [keys, args];
  }

  note(id: string): string {
    return this.store.name("request", id);
  }

  buckets(scope: Scope): string {
    return this.#of(scope).buckets;
  }

  /** The same scope with no limit. */
  unlimited(scope: Scope): Scope {
    return this.#of(scope).unlimited;
  }

  #of(scope: Scope): Known {
    let known = this.#known.get(scope);
    if (known === undefined) this.#known.set(scope, known = this.#knownOf(scope));
    return known;
  }

  #knownOf({ id, kind, name, rates, holdsSlots }: Scope): Known {
    const { requestsPerMinute, tokensPerMinute, concurrency } = rates;
    const tokensBurstMs = burstMsOf(rates, tokensPerMinute);
    return {
      buckets: this.store.name("bucket", id),
      slots: this.store.name("slots", id),
      limits: [
        requestsPerMinute ?? -1,
        tokensPerMinute ?? -1,
        concurrency ?? -1,
        burstMsOf(rates, requestsPerMinute),
        tokensBurstMs,
        holdsSlots ? 1 : 0,
      ],
      tokens: [tokensPerMinute ?? -1, tokensBurstMs],
      unlimited: new Scope(kind, name, NO_RATES, []),
    };
  }
}

/** A number stands for each scope's used buckets, its slots, and what of it is short. */
const PER_SCOPE = 4;

export function levelsIn(scopes: readonly Scope[], state: readonly number[]): Level[] {
  return scopes.flatMap((scope, index) => {
    const [usedR, usedT, running] = state.slice(index * PER_SCOPE);
    const { requestsPerMinute, tokensPerMinute, concurrency } = scope.rates;
    const levels: Level[] = [];
    if (requestsPerMinute !== null) {
      levels.push(bucketLevel(scope, "requests", requestsPerMinute, usedR));
    }
    if (tokensPerMinute !== null) levels.push(bucketLevel(scope, "tokens", tokensPerMinute, usedT));
    if (concurrency !== null) {
      levels.push(levelOf(scope, "concurrency", concurrency, concurrency - running, 0));
    }
    return levels;
  });
}

export function shortagesIn(work: Work, state: readonly number[]): Shortage[] {
  const found = work.scopes.flatMap((scope, index) => {
    const [usedR, usedT, , lack] = state.slice(index * PER_SCOPE);
    const { requestsPerMinute, tokensPerMinute, concurrency } = scope.rates;
    const shortages: Shortage[] = [];
    const bucket = (name: "requests" | "tokens", rate: number, used: number, needed: number) => {
      const burstMs = burstMsOf(scope.rates, rate);
      const neededMs = (needed * 60_000) / rate;
      const waitMs = neededMs > burstMs + 1e-3 ? null : Math.max(0, used + neededMs - burstMs);
      shortages.push({ ...bucketLevel(scope, name, rate, used), needed, waitMs });
    };
    if ((lack & 1) !== 0) bucket("requests", requestsPerMinute!, usedR, work.requests);
    if ((lack & 2) !== 0) bucket("tokens", tokensPerMinute!, usedT, work.tokens);
    if ((lack & 4) !== 0) {
      const level = levelOf(scope, "concurrency", concurrency!, 0, 0);
      shortages.push({ ...level, needed: 1, waitMs: SLOT_GUESS_MS });
    }
    return shortages;
  });
  return found.sort((a, b) => (b.waitMs ?? Infinity) - (a.waitMs ?? Infinity));
}

export function numbersIn(reply: unknown): number[] {
  if (!Array.isArray(reply)) throw new Error("the server's answer is none of ours");
  return reply.map(Number);
}

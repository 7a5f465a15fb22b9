// Puts the numbers of the fleet before the decision (prefix_aware.ts, bounded_hash.ts) and takes down what
// was decided. Choosing and noting are one step under the pool's lock: a burst sees its own picks.

import type { RoutingMemory } from "../load/routing_memory.ts";
import { USUAL_SPEED } from "../load/learned.ts";
import type { PrefixSeed } from "../prefix/prefix_index.ts";
import type { PromptChain } from "../prefix/chain.ts";
import { boundedHash } from "./bounded_hash.ts";
import { Placement, type RoutedModel } from "./placement.ts";
import { type Cost, costs, type CostWeights, leastCost, type Standing } from "./prefix_aware.ts";
import { HOME_CHUNKS, rank } from "./rendezvous.ts";

/** An instance that may be picked. */
export interface Place {
  /** Its place in the shared memory. */
  readonly slot: number;
  /** A number that stands for its address, the same in every gateway. */
  readonly address: number;
  /** Above zero; less while it warms up. */
  readonly weight: number;
  /** How warm it is after a recovery, 0 to 1. */
  readonly warmth: number;
  /** Requests of this gateway under way there. */
  readonly inFlight: number;
  /** Number of its last pick for the model; the lower, the longer ago. */
  readonly lastPick: number;
}

/** What other gateways told of their requests at an instance. */
export interface Told {
  underWay(slot: number): number;
  unanswered(slot: number): number;
  /** Tokens still to be computed. */
  pending(slot: number): number;
}

/** An instance that computes less than so many times faster or slower than usual is as fast as usual. */
const ALIKE = 1.5;

export const NOBODY: Told = { underWay: () => 0, unanswered: () => 0, pending: () => 0 };

/**
 * prefix: it has a part of the prompt. home: nobody is known to have it, and this is where every gateway
 * sends it. cost: it costs least. bound: all have more than their share. only: there was one.
 */
export type Reason = "prefix" | "home" | "cost" | "bound" | "only";

export interface Decision {
  /** Index among the places. */
  readonly index: number;
  readonly reason: Reason;
  /** About how many tokens the prompt has. */
  readonly tokens: number;
  /** How many of them each place is taken to hold. */
  readonly standings: readonly Standing[];
  readonly costs: readonly Cost[];
  /** Chunks that each place has by the index alone. */
  readonly chunks: Int32Array;
}

export class Router {
  /** Matches of one decision; nobody else runs while it is made. */
  #chunks = new Int32Array(64);

  constructor(
    readonly memory: RoutingMemory,
    readonly model: RoutedModel,
    private readonly weights: CostWeights,
    /** The pool's clock, in milliseconds. */
    private readonly now: () => number,
    private readonly told: Told = NOBODY,
  ) {}

  /** About how many tokens of context the prompt needs. */
  contextTokens(chain: PromptChain): number {
    return chain.contextTokens(this.memory.learned.bytesPerToken(this.model.slot));
  }

  /** Where the prompt costs least. Changes nothing. Under the pool's lock. */
  decide(places: readonly Place[], chain: PromptChain): Decision {
    const { seed, slot: modelSlot } = this.model;
    const { learned, index, trust } = this.memory;
    const slots = places.map((place) => place.slot);
    if (this.#chunks.length < slots.length) this.#chunks = new Int32Array(2 * slots.length);
    const chunks = this.#chunks.subarray(0, slots.length);
    index.match(chain, seed, slots, chunks);

    const bytesPerToken = learned.bytesPerToken(modelSlot);
    const tokens = chain.tokens(bytesPerToken);
    const ranks = ranksOf(places, chain, seed);
    const depth = Math.min(HOME_CHUNKS, chain.length);
    // Other gateways, or this one before a restart, sent it to its home; so that is taken to have it.
    const isUnknown = depth > 0 && !chunks.some((known) => 2 * known >= depth);
    const home = isUnknown ? ranks.indexOf(Math.min(...ranks)) : -1;
    const usualSpeed = this.#usualSpeed(slots);
    const standings = places.map((place, at): Standing => {
      const matched = trust.isOn(place.slot)
        ? chain.tokensOf(at === home ? Math.max(depth, chunks[at]) : chunks[at], bytesPerToken)
        : 0;
      return this.#standing(place, matched, ranks[at], usualSpeed);
    });
    const prices = costs(standings, tokens, learned.work(modelSlot), this.weights);
    const picked = leastCost(standings, prices);
    const reason = reasonOf(places.length, prices[picked], picked === home, chunks[picked] > 0);
    return { index: picked, reason, tokens, standings, costs: prices, chunks: chunks.slice() };
  }

  #standing(
    { slot, weight, warmth, inFlight }: Place,
    matched: number,
    rank: number,
    usualSpeed: number,
  ): Standing {
    const { own, seen, learned } = this.memory;
    const now = this.now();
    const others = Math.max(this.told.underWay(slot), seen.others(slot, now));
    const waiting = seen.othersWaiting(slot, now) * learned.work(this.model.slot);
    return {
      matched,
      backlog: own.pending(slot) + this.told.pending(slot) + waiting,
      unanswered: own.unanswered(slot) + this.told.unanswered(slot),
      underWay: inFlight + others,
      speed: speedOf(learned.speed(slot), usualSpeed) * warmth,
      weight,
      rank,
    };
  }

  /** The median of the speeds that are known. */
  #usualSpeed(slots: readonly number[]): number {
    const known = slots.map((slot) => this.memory.learned.speed(slot)).filter((speed) => speed > 0);
    if (known.length === 0) return USUAL_SPEED;
    return known.sort((a, b) => a - b)[known.length >> 1];
  }

  /** The home of the prompt's beginning, unless it has too much to do: decided without any memory. */
  home(places: readonly Place[], chain: PromptChain): number {
    const ranks = ranksOf(places, chain, this.model.seed);
    const now = this.now();
    const hashed = places.map(({ slot, weight, inFlight }, at) => ({
      at,
      rank: ranks[at],
      weight,
      underWay: inFlight +
        Math.max(this.told.underWay(slot), this.memory.seen.others(slot, now)),
    }));
    return boundedHash(hashed, this.weights.loadBound).at;
  }

  /** Notes that the prompt goes to the instance in `slot`. Under the lock of the decision. */
  place(slot: number, chain: PromptChain): Placement {
    const { own, learned, trust, index } = this.memory;
    const { seed, slot: modelSlot } = this.model;
    const chunks = this.#chunks.subarray(0, 1);
    index.match(chain, seed, [slot], chunks);
    const [known] = chunks;
    const bytesPerToken = learned.bytesPerToken(modelSlot);
    const tokens = chain.tokens(bytesPerToken);
    const foretold = Math.min(tokens, chain.tokensOf(known, bytesPerToken));
    const work = Math.max(1, Math.round(trust.isOn(slot) ? tokens - foretold : tokens));
    const isAlone = own.pending(slot) + this.told.pending(slot) === 0;
    own.add(slot, work);
    learned.worked(modelSlot, work);
    trust.sent(slot, foretold, tokens);
    index.add(slot, chain, seed);
    const placed = { work, foretold, known, isAlone, at: this.now() };
    return new Placement(this.memory, this.model, chain, slot, placed);
  }

  /** Takes what an instance's metrics say. Under the lock. */
  scraped(
    slot: number,
    load: Parameters<RoutingMemory["seen"]["scraped"]>[1],
    inFlight: number,
  ): void {
    const { seen, own, trust } = this.memory;
    const isAnew = seen.scraped(slot, load, inFlight, own.unanswered(slot), this.now());
    if (isAnew) this.memory.restarted(slot);
    if (load.queries !== null && load.hits !== null) trust.counted(slot, load.queries, load.hits);
  }
}

/** What is learned is noisy: prompts leave a place for a clear difference, not for a chance one. */
function speedOf(learned: number, usual: number): number {
  const isLike = learned === 0 || (learned < usual * ALIKE && usual < learned * ALIKE);
  return isLike ? usual : learned;
}

/** In rendezvous order of the prompt's beginning; without one, who was picked longest ago comes first. */
function ranksOf(places: readonly Place[], chain: PromptChain, seed: PrefixSeed): number[] {
  const depth = Math.min(HOME_CHUNKS, chain.length);
  if (depth === 0) {
    const latest = Math.max(...places.map((place) => place.lastPick));
    return places.map((place) => place.lastPick / (latest + 1));
  }
  const prefix = chain.lanes[2 * (depth - 1)] ^ seed.first;
  return places.map((place) => rank(prefix, place.address));
}

function reasonOf(places: number, cost: Cost, isHome: boolean, isKnown: boolean): Reason {
  if (places === 1) return "only";
  if (cost.isOverBound) return "bound";
  if (isHome) return "home";
  return isKnown ? "prefix" : "cost";
}

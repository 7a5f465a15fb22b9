// Puts the numbers of the fleet before the decision (prefix_aware.ts, bounded_hash.ts) and takes down what
// was decided. Choosing and noting are one step under the pool's lock: a burst sees its own picks.

import type { RoutingMemory } from "../load/routing_memory.ts";
import { USUAL_SPEED } from "../load/learned.ts";
import { NOWHERE } from "../load/sessions.ts";
import { NOBODY, type Told } from "../load/told.ts";
import type { PromptChain } from "../prefix/chain.ts";
import { boundedHash } from "./bounded_hash.ts";
import type { Decision, Place, Reason } from "./decision.ts";
import { type Moved, Placement, type RoutedModel } from "./placement.ts";
import { type CostWeights, leastCost, weigh } from "./prefix_aware.ts";
import { HOME_CHUNKS, rank } from "./rendezvous.ts";
import { Standings } from "./standings.ts";

/** An instance that computes less than so many times faster or slower than usual is as fast as usual. */
const ALIKE = 1.5;

export class Router {
  /** Of the decision that was made last; nobody else runs while it is made and its prompt is placed. */
  readonly #standings = new Standings();
  readonly #slot = new Int32Array(1);
  readonly #chunks = new Int32Array(1);
  /** Whose chunks stand there, until it is placed. */
  #chain: PromptChain | null = null;
  #index = 0;
  #tokens = 0;
  /** Why the last one was chosen. */
  reason: Reason = "only";
  /** Whether it was by what it costs. */
  isWeighed = false;

  constructor(
    readonly memory: RoutingMemory,
    readonly model: RoutedModel,
    private readonly weights: CostWeights,
    /** The pool's clock, in milliseconds. */
    private readonly now: () => number,
    private readonly told: Told = NOBODY,
    /** Whether a session stays where it is, as long as that has no more than its share. */
    private readonly pins = false,
  ) {}

  /** About how many tokens of context the prompt needs. */
  contextTokens(chain: PromptChain): number {
    return chain.contextTokens(this.memory.learned.bytesPerToken(this.model.slot));
  }

  /** Where the prompt costs least, and why. Changes nothing that counts. Under the pool's lock. */
  decide(places: readonly Place[], chain: PromptChain, session = 0): Decision {
    this.choose(places, chain, session);
    return this.decision();
  }

  /** What was weighed last. */
  decision(): Decision {
    const standings = this.#standings;
    const all = Array.from({ length: standings.count }, (_, at) => at);
    return {
      index: this.#index,
      reason: this.reason,
      tokens: this.#tokens,
      standings: all.map((at) => standings.standing(at)),
      costs: all.map((at) => standings.cost(at)),
      chunks: standings.chunks.slice(0, standings.count),
    };
  }

  /** Seconds that the last one would have waited behind others, and all that it costs. */
  get waitS(): number {
    return this.#standings.backlog[this.#index] / this.#standings.speed[this.#index];
  }

  get costS(): number {
    return this.#standings.seconds[this.#index];
  }

  /** The index of the place where the prompt costs least. Under the pool's lock. */
  choose(places: readonly Place[], chain: PromptChain, session: number): number {
    const { seed, slot: modelSlot } = this.model;
    const { learned, index, trust } = this.memory;
    const standings = this.#standings;
    const count = places.length;
    standings.begin(count);
    this.#rank(places, chain);
    const { slots, chunks, matched, speed } = standings;
    for (let at = 0; at < count; at++) {
      chunks[at] = 0;
      slots[at] = places[at].slot;
      speed[at] = learned.speed(slots[at]);
    }
    const length = chain.length;
    if (length > 0) index.match(chain, seed, slots, chunks, count);
    this.#chain = chain;

    const depth = Math.min(HOME_CHUNKS, length);
    let isUnknown = depth > 0;
    for (let at = 0; at < count; at++) if (2 * chunks[at] >= depth) isUnknown = false;
    const known = session === 0 ? NOWHERE : this.memory.sessions.of(session);
    const last = known.slot < 0 ? -1 : standings.indexOf(known.slot);
    if (last >= 0) isUnknown = false;
    // Other gateways, or this one before a restart, sent it to its home; so that is taken to have it.
    const home = isUnknown ? standings.home() : -1;
    const bytesPerToken = learned.bytesPerToken(modelSlot);
    const usualSpeed = standings.usualSpeed(USUAL_SPEED);
    const usualWork = learned.work(modelSlot);
    const now = this.now();
    for (let at = 0; at < count; at++) {
      const held = at === home ? Math.max(depth, chunks[at]) : chunks[at];
      matched[at] = held > 0 && trust.isOn(slots[at]) ? chain.tokensOf(held, bytesPerToken) : 0;
      this.#stand(at, places[at], now, usualWork, usualSpeed);
    }
    this.#tokens = chain.tokens(bytesPerToken);
    const inIndex = last < 0 ? 0 : matched[last];
    if (last >= 0 && trust.isOn(known.slot)) {
      matched[last] = Math.max(inIndex, Math.min(this.#tokens, known.tokens));
    }
    weigh(standings, this.#tokens, usualWork, this.weights);
    // What gateways that are not heard of have sent where is not known; they go by the home as well.
    this.#index = isUnknown && this.told.isLate
      ? boundedHash(this.#standings, this.weights.loadBound)
      : leastCost(standings);
    if (this.pins && last >= 0 && standings.isOverBound[last] === 0) this.#index = last;
    this.isWeighed = true;
    const isSessions = this.#index === last && (this.pins || matched[last] > inIndex);
    this.reason = isSessions && count > 1 && standings.isOverBound[last] === 0
      ? "session"
      : this.#reasonOf(this.#index, home);
    return this.#index;
  }

  #stand(at: number, place: Place, now: number, usualWork: number, usualSpeed: number): void {
    const { own, seen } = this.memory;
    const { told } = this;
    const standings = this.#standings;
    const slot = standings.slots[at];
    const strange = seen.others(slot, now);
    const waiting = strange === 0 ? 0 : seen.othersWaiting(slot, now) * usualWork;
    standings.backlog[at] = own.pending(slot) + told.pending(slot) + waiting;
    standings.unanswered[at] = own.unanswered(slot) + told.unanswered(slot);
    standings.underWay[at] = place.inFlight + Math.max(told.underWay(slot), strange);
    standings.weight[at] = place.weight;
    standings.speed[at] = speedOf(standings.speed[at], usualSpeed) * place.warmth;
  }

  #reasonOf(picked: number, home: number): Reason {
    const { count, isOverBound, chunks } = this.#standings;
    if (count === 1) return "only";
    if (isOverBound[picked] === 1) return "bound";
    if (picked === home) return "home";
    return chunks[picked] > 0 ? "prefix" : "cost";
  }

  /** The home of the prompt's beginning, unless it has too much to do: decided without any memory. */
  home(places: readonly Place[], chain: PromptChain): number {
    const standings = this.#standings;
    standings.begin(places.length);
    this.#rank(places, chain);
    const now = this.now();
    for (let at = 0; at < places.length; at++) {
      const { slot, weight, inFlight } = places[at];
      standings.weight[at] = weight;
      standings.underWay[at] = inFlight +
        Math.max(this.told.underWay(slot), this.memory.seen.others(slot, now));
    }
    this.#chain = null;
    this.isWeighed = false;
    this.reason = "home";
    return boundedHash(standings, this.weights.loadBound);
  }

  /** In rendezvous order of the prompt's beginning; without one, who was picked longest ago comes first. */
  #rank(places: readonly Place[], chain: PromptChain): void {
    const ranks = this.#standings.rank;
    const depth = Math.min(HOME_CHUNKS, chain.length);
    if (depth > 0) {
      const prefix = chain.lanes[2 * (depth - 1)] ^ this.model.seed.first;
      for (let at = 0; at < places.length; at++) ranks[at] = rank(prefix, places[at].address);
      return;
    }
    let latest = 0;
    for (let at = 0; at < places.length; at++) {
      const { lastPick } = places[at];
      ranks[at] = lastPick;
      if (lastPick > latest) latest = lastPick;
    }
    for (let at = 0; at < places.length; at++) ranks[at] /= latest + 1;
  }

  /** Chunks that the instance has; as the decision has found them, where that was just made. */
  #knownAt(slot: number, chain: PromptChain): number {
    const at = this.#chain === chain ? this.#standings.indexOf(slot) : -1;
    this.#chain = null;
    if (chain.length === 0) return 0;
    if (at >= 0) return this.#standings.chunks[at];
    this.#slot[0] = slot;
    this.#chunks[0] = 0;
    this.memory.index.match(chain, this.model.seed, this.#slot, this.#chunks, 1);
    return this.#chunks[0];
  }

  /** Tokens of its prompt that the session was sent last, where the instance in `slot` has it. */
  sessionTokens(slot: number, session: number): number {
    const { slot: at, tokens } = this.memory.sessions.of(session);
    return at === slot && this.memory.trust.isOn(slot) ? tokens : 0;
  }

  /**
   * Notes that the prompt goes to the instance in `slot`; it is counted in `counted`, too: that of the
   * instance whose rank it is. Under the lock of the decision.
   */
  place(slot: number, chain: PromptChain, session = 0, counted = slot): Placement {
    const { own, learned, trust, index } = this.memory;
    const { seed, slot: modelSlot } = this.model;
    const known = this.#knownAt(slot, chain);
    const bytesPerToken = learned.bytesPerToken(modelSlot);
    const tokens = chain.tokens(bytesPerToken);
    const foretold = Math.min(tokens, chain.tokensOf(known, bytesPerToken));
    const work = Math.max(1, Math.round(trust.isOn(slot) ? tokens - foretold : tokens));
    const before = own.pending(slot) + this.told.pending(slot);
    const speed = learned.speed(slot) || USUAL_SPEED;
    const expectedS = (before + work) / speed;
    own.add(slot, work);
    learned.worked(modelSlot, work);
    trust.sent(slot, foretold, tokens);
    if (counted !== slot) trust.sent(counted, foretold, tokens);
    if (chain.length > 0) {
      index.add(slot, chain, seed);
      this.memory.outbox.note(slot, chain, seed, known);
    }
    let moved: Moved | null = null;
    if (session !== 0) {
      moved = { session, from: this.memory.sessions.of(session) };
      this.memory.sessions.note(session, { slot, tokens: Math.round(tokens) });
      this.memory.sessionNews.note(session, slot, Math.round(tokens));
    }
    const isAlone = before === 0;
    const placed = { work, tokens, foretold, known, isAlone, expectedS, at: this.now(), moved };
    return new Placement(this.memory, this.model, chain, slot, placed, counted);
  }
}

/** What is learned is noisy: prompts leave a place for a clear difference, not for a chance one. */
function speedOf(learned: number, usual: number): number {
  const isLike = learned === 0 || (learned < usual * ALIKE && usual < learned * ALIKE);
  return isLike ? usual : learned;
}

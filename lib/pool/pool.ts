// The instances that serve one model, and the choice among them. Health is kept in outlier.ts, order in
// balancing/; what to do when a chosen instance fails is left to forward/delivery.ts.

import { byContext } from "./balancing/context.ts";
import type { Placement } from "./balancing/placement.ts";
import { type Choice, Receipt, type Weighed, type Why } from "./balancing/receipt.ts";
import type { Router } from "./balancing/router.ts";
import type { Ask, Strategy } from "./balancing/strategy.ts";
import { explain, type Explanation } from "./explanation.ts";
import type { Instance } from "./instance.ts";
import type { Lease } from "./lease.ts";
import type { Line } from "./line.ts";
import { Member, type Spot } from "./member.ts";
import { NO_CHAIN, type Prompt, type PromptChain, type PromptHasher } from "./prefix/chain.ts";
import { type QueueOptions, type Waited, WaitQueue } from "./queue.ts";
import type { Others } from "./watchdog.ts";

export type Acquired = Lease | "full" | null;

/** Which instances come into question for a request. */
export type Accepts = (instance: Instance) => boolean;

/** Takes a place at the instance that `pick` names, and opens the books of the attempt, in one step. */
export type Claim = (
  pick: () => Spot | null,
  others: Others,
  place: (spot: Spot) => Placement | null,
) => Lease | null;

/** For a strategy that looks at prompts. */
export interface Routing {
  readonly router: Router;
  readonly hasher: PromptHasher;
  /** Whether receipts tell of all that came into question. */
  readonly tellsAll: boolean;
}

/** What one who waits insists on: an instance that is accepted, or the one of this name. */
type Wish = Accepts | string;

export interface PoolParts {
  readonly privateInstances: readonly Instance[];
  readonly fallbacks: readonly Instance[];
  readonly strategy: Strategy;
  /** Of `queue`. */
  readonly queue: QueueOptions;
  readonly claim: Claim;
  /** Of all workers. */
  readonly line: Line;
  onWaiting(change: 1 | -1): void;
  /** null where the strategy does not look at prompts. */
  readonly routing: Routing | null;
}

export class Pool implements Others {
  readonly queue: WaitQueue<Lease, Wish>;
  readonly #members: readonly Member[];
  readonly privateInstances: readonly Instance[];
  readonly fallbacks: readonly Instance[];
  /** Private ones first. */
  readonly instances: readonly Instance[];
  readonly #parts: PoolParts;
  /** null where the strategy does not look at prompts. */
  readonly #routing: Routing | null;
  /** Of a request of which no more is known than its model. */
  readonly #anyAsk: Ask;

  constructor(readonly model: string, parts: PoolParts) {
    const { privateInstances, fallbacks } = parts;
    this.#parts = parts;
    this.#routing = parts.routing;
    this.queue = new WaitQueue(parts.line, parts.onWaiting);
    this.#members = privateInstances.map((instance) => new Member(instance, model));
    this.privateInstances = privateInstances;
    this.fallbacks = fallbacks;
    this.instances = [...privateInstances, ...fallbacks];
    this.#anyAsk = { model, priority: 0, chain: NO_CHAIN, answerTokens: 0, session: 0, rank: null };
  }

  /** The slot under which numbers of the model are kept; null where prompts are not looked at. */
  get routedSlot(): number | null {
    return this.#routing === null ? null : this.#routing.router.model.slot;
  }

  /** Requests that wait for room, in all workers. */
  get waiting(): number {
    return this.#parts.line.length;
  }

  /** What stands for the prompt in `body`, where the strategy looks at it. */
  chainOf(body: Uint8Array, prompt: Prompt): PromptChain {
    return this.#routing === null ? NO_CHAIN : this.#routing.hasher.chain(body, prompt);
  }

  /**
   * A private instance that is available and accepted: null when there is none, "full" when the
   * only reason is that all of them have as many requests as they may.
   */
  acquire(accepts: Accepts, ask: Ask = this.#anyAsk): Acquired {
    return this.#choose(
      ask,
      (instance) => instance.takesRequests && instance.isAvailable && accepts(instance),
    );
  }

  /** Whether a fallback that is well could take the request. */
  hasFallback(accepts: Accepts | null): boolean {
    return this.fallbacks.some((instance) =>
      instance.takesRequests && instance.isAvailable && instance.hasRoom &&
      (accepts === null || accepts(instance))
    );
  }

  /** Any private instance that is accepted, ejected ones too: when all are out, all are tried. */
  acquireAnyway(accepts: Accepts, ask: Ask = this.#anyAsk): Acquired {
    return this.#choose(
      ask,
      (instance) => mayTry(instance) && accepts(instance),
    );
  }

  /**
   * The instance of that name, whichever its health and weight: it keeps what nobody else has. "full":
   * it is worth waiting for (`waitNamed`); null: there is none of this name.
   */
  acquireNamed(name: string, ask: Ask = this.#anyAsk): Acquired {
    const named = this.instances.find((instance) => instance.name === name);
    if (named === undefined) return null;
    const pick = () => named.hasRoom ? this.#spotAt(named, ask) : null;
    return this.#claim(pick, ask, () => ({ by: "stored", among: 1, weighed: null })) ?? "full";
  }

  /** The first fallback in the configured order that can take it. */
  acquireFallback(accepts: Accepts): Lease | null {
    const pick = () => {
      const accepted = this.fallbacks.filter((instance) =>
        instance.takesRequests && instance.hasRoom && accepts(instance)
      );
      const chosen = accepted.find((instance) => instance.isAvailable) ?? accepted[0];
      return chosen === undefined ? null : whole(chosen);
    };
    return this.#claim(pick, this.#anyAsk, () => ({ by: "fallback", among: 1, weighed: null }));
  }

  /** Where a request would go now, and why. Changes nothing. Under the pool's lock. */
  explain(ask: Ask, keeper: string | null): Explanation {
    const { strategy, fallbacks, routing } = this.#parts;
    const router = routing === null ? null : routing.router;
    return explain({ members: this.#members, fallbacks, strategy, router, mayTry }, ask, keeper);
  }

  /** Waits in line for a private instance, one of those that are accepted where that is given. */
  wait(
    ask: Ask,
    leave: (out: () => void) => void,
    accepts: Accepts | null = null,
  ): Promise<Waited<Lease>> {
    return this.queue.wait(this.#parts.queue, ask, leave, accepts);
  }

  /** Waits in line for the instance of that name, whichever its health. */
  waitNamed(name: string, ask: Ask, leave: (out: () => void) => void): Promise<Waited<Lease>> {
    return this.queue.wait(this.#parts.queue, ask, leave, name);
  }

  /** Whether another instance of the model could take a request that waits at this one. */
  canReplace(instance: Instance): boolean {
    return this.instances.some((other) =>
      other.config.id !== instance.config.id && other.takesRequests && other.isAvailable
    );
  }

  /** Whether others have shown progress since then, and this one has not. */
  answeredSince(instance: Instance, sinceMs: number): boolean {
    return instance.lastProgress <= sinceMs &&
      this.instances.some((other) => other.lastProgress > sinceMs);
  }

  /** Gives free places to those who wait; where all instances are out, those of any instance. */
  serveQueue(): void {
    if (this.queue.length === 0) return;
    const allOut = this.privateInstances.every((instance) =>
      !instance.takesRequests || (instance.isOut && !instance.isAvailable)
    );
    // Nothing is left here to wait for, and somebody else can answer.
    if (allOut) {
      this.queue.turnAway((wish) => typeof wish !== "string" && this.hasFallback(wish));
    }
    this.queue.serve((wish, ask) => {
      if (typeof wish === "string") return placeOf(this.acquireNamed(wish, ask));
      const acquired = this.#choose(
        ask,
        (instance) =>
          (allOut ? mayTry(instance) : instance.takesRequests && instance.isAvailable) &&
          (wish === null || wish(instance)),
      );
      return placeOf(acquired);
    });
  }

  #choose(ask: Ask, fits: (instance: Instance) => boolean): Acquired {
    let full = false;
    let among = 0;
    let weighed: Weighed | null = null;
    const lease = this.#claim(
      () => {
        const candidates: Member[] = [];
        full = false;
        const members = this.#routing === null ? this.#members : this.#fitting(ask, fits);
        for (const member of members) {
          const { instance } = member;
          if (this.#routing === null && !fits(instance)) continue;
          if (!instance.hasRoom) full = true;
          else if (this.#routing === null || instance.ranks.length === 0) candidates.push(member);
          else candidates.push(...member.spots(ask.rank));
        }
        among = candidates.length;
        if (among === 0) return null;
        if (among === 1) return candidates[0];
        const picked = this.#parts.strategy(candidates, ask);
        if (this.#routing !== null) weighed = weighedBy(this.#routing, candidates);
        return picked;
      },
      ask,
      () => ({ by: this.#reasonOf(among), among, weighed }),
    );
    return lease ?? (full ? "full" : null);
  }

  /** Where the request goes at that instance. */
  #spotAt(instance: Instance, ask: Ask): Spot {
    const member = this.#routing === null || instance.ranks.length === 0
      ? undefined
      : this.#members.find((one) => one.instance === instance);
    if (member === undefined) return whole(instance);
    const spots = member.spots(ask.rank);
    return spots.length === 1 ? spots[0] : this.#parts.strategy(spots, ask);
  }

  /** Whose context is certainly too short is not asked first, not even where only these have room. */
  #fitting(ask: Ask, fits: (instance: Instance) => boolean): readonly Member[] {
    const members = this.#members.filter((member) => fits(member.instance));
    if (members.length < 2) return members;
    const prompt = this.#routing!.router.contextTokens(ask.chain);
    return byContext(members, { prompt, answer: ask.answerTokens });
  }

  #reasonOf(among: number): Why {
    return among === 1 || this.#routing === null ? "only" : this.#routing.router.reason;
  }

  #claim(
    pick: () => Spot | null,
    ask: Ask,
    why: () => Choice,
  ): Lease | null {
    const place = ({ slot, name, instance }: Spot) => {
      if (this.#routing === null) return null;
      const { router } = this.#routing;
      const placement = router.place(slot, ask.chain, ask.session, instance.slot);
      const { by, among, weighed } = why();
      const { foretold, tokens } = placement.placed;
      router.memory.booked.decided(instance.slot, by, foretold, tokens);
      placement.receipt = new Receipt(name, by, foretold, tokens, among, weighed);
      return placement;
    };
    return this.#parts.claim(pick, this, place);
  }
}

/** What the strategy has just weighed; null where it goes by something else. */
function weighedBy({ router, tellsAll }: Routing, candidates: readonly Member[]): Weighed | null {
  if (!router.isWeighed) return null;
  const all = tellsAll ? { decision: router.decision(), candidates } : null;
  return { waitS: router.waitS, costS: router.costS, all };
}

const whole = (instance: Instance): Spot => ({
  instance,
  slot: instance.slot,
  name: instance.name,
  rank: null,
});

/** Whether it is worth a try where nobody is well. One that sleeps would only be silent. */
function mayTry(instance: Instance): boolean {
  return instance.takesRequests && !instance.isBusy && instance.condition !== "asleep";
}

function placeOf(acquired: Acquired): Lease | null {
  return acquired === "full" ? null : acquired;
}

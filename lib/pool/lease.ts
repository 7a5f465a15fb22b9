// The right to have one request in flight to one instance. Taken by the pool, released exactly once by
// whoever made the attempt, so that no counter can leak or go negative.
//
// What the attempt has to tell: `sent` when the request is out, `progressed` when the first token comes
// (and, in a long stream, again now and then: once a second is enough), `release` at its end. In between
// the pool may call back that the instance is not going to answer.

import type { Placement } from "./balancing/placement.ts";
import type { Receipt } from "./balancing/receipt.ts";
import type { Begun, Instance } from "./instance.ts";
import type { LeaseOutcome, OutlierDetection } from "./outlier.ts";
import type { Rank } from "./rank.ts";
import type { Others, Silence, Watchdog } from "./watchdog.ts";

/** What a lease needs of the fleet that gave it. */
export interface LeaseOwner {
  readonly outlier: OutlierDetection;
  readonly watchdog: Watchdog;
  /** Runs `body` under the pool's lock. */
  locked(body: () => void): void;
  /** What the instance says of its load beside an answer; null for what it does not. */
  saidLoad(instance: Instance, waiting: number | null, kvUsage: number | null): void;
  /** Nothing that the instance held is there any more. */
  lostCache(instance: Instance): void;
  /** A place is free again. */
  released(): void;
}

export class Lease {
  #open = true;
  readonly begun: Begun;
  /** While nothing has come of a request that was sent. */
  #silence: Silence | null = null;
  #sentAt: number | null = null;

  /** Claims the place; call it under the pool's lock. `others` may take the instance's place. */
  constructor(
    readonly instance: Instance,
    private readonly others: Others,
    private readonly owner: LeaseOwner,
    /** Of the strategies that look at prompts. */
    private readonly placement: Placement | null,
    /** The data-parallel rank that it goes to; null where the instance chooses. */
    readonly rank: Rank | null = null,
  ) {
    this.begun = instance.begin();
    rank?.begin();
  }

  /**
   * The request is out. `onSuspect` is called at most once, while nothing has come, when the instance is
   * found to answer nobody and another one could: the attempt should end as "swallowed" and go elsewhere.
   * Of an answer that comes whole silence proves nothing, however long it is.
   */
  sent(answer: "stream" | "whole", onSuspect: (why: string) => void): void {
    if (!this.#open || this.#sentAt !== null) return;
    this.#sentAt = this.instance.now();
    this.#silence = this.owner.watchdog.watch({
      instance: this.instance,
      others: this.others,
      begun: this.begun,
      answer,
      sentAt: this.#sentAt,
      onSuspect,
    });
  }

  /** When the request was out, on the fleet's clock; null before. */
  get sentAt(): number | null {
    return this.#sentAt;
  }

  /** The instance was well when the request was sent there, and is known since to have lost its engine. */
  get isEngineLost(): boolean {
    const { instance } = this;
    return this.#sentAt !== null && this.begun === "usual" && instance.engineDiedAt >= this.#sentAt;
  }

  /** A token came, or anything else that only a working engine sends. */
  progressed(): void {
    this.#heard();
    this.instance.noteProgress();
    this.owner.outlier.noteProgress(this.instance);
  }

  /** Why the request has come here; null where the strategy does not look at prompts. */
  get receipt(): Receipt | null {
    return this.placement?.receipt ?? null;
  }

  /** The answer says how many requests wait there, and how full the KV cache is. */
  saidLoad(waiting: number | null, kvUsage: number | null): void {
    if (this.placement !== null) this.owner.saidLoad(this.instance, waiting, kvUsage);
  }

  /** Nobody listens there: whatever comes back has nothing cached. */
  refused(): void {
    if (this.placement !== null) this.owner.lostCache(this.instance);
  }

  /** The prompt has been computed: the first token of a stream is there. */
  firstToken(): void {
    this.placement?.firstToken(this.instance.now());
  }

  /** The prompt has been computed, and with it a whole answer. */
  answered(): void {
    this.placement?.answered();
  }

  /** What the answer says of its prompt; `cached` tokens of it are null where it does not say. */
  usage(promptTokens: number, cached: number | null): void {
    this.placement?.usage(promptTokens, cached);
  }

  /** Gives the place back with what came of it; any further call does nothing. */
  release(outcome: LeaseOutcome, error = ""): void {
    if (!this.#open) return;
    this.#open = false;
    this.#heard();
    this.instance.end(this.begun);
    this.rank?.end();
    this.placement?.ended((body) => this.owner.locked(body));
    const { instance, begun } = this;
    this.owner.outlier.record({
      instance,
      begun,
      outcome,
      error,
      othersAnswered: outcome === "swallowed" && this.#sentAt !== null &&
        this.others.answeredSince(instance, this.#sentAt),
    });
    this.owner.released();
  }

  #heard(): void {
    if (this.#silence === null) return;
    this.owner.watchdog.unwatch(this.#silence);
    this.#silence = null;
  }

  /** Leaving a scope without a word is neutral. */
  [Symbol.dispose](): void {
    this.release("neutral");
  }
}

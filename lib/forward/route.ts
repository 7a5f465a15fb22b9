// Who is asked next for one request, or why nobody: private instances that are well, once more on the pool
// after a short wait when the failure was a passing one, fallbacks in their order; private instances that
// are out only where no fallback can take the request.

import { readError } from "../api/error.ts";
import { rankIn } from "./header_rules.ts";
import type { Config } from "../config/config.ts";
import { RequestError } from "../http/client.ts";
import type { Ask } from "../pool/balancing/strategy.ts";
import type { Fleet } from "../pool/fleet.ts";
import type { Instance } from "../pool/instance.ts";
import type { Lease } from "../pool/lease.ts";
import type { Acquired, Pool } from "../pool/pool.ts";
import type { Proof } from "./attempt/proof.ts";
import type { Failure } from "./failure.ts";
import { lends } from "./lending.ts";
import { Met } from "./met.ts";
import {
  lineIsFull,
  type NoAnswer,
  nobodyCould,
  nobodyTakes,
  tooBusy,
  waitedInVain,
} from "./refusal.ts";
import type { ForwardRequest } from "./request.ts";
import type { RetryBudget } from "./retry_budget.ts";
import { RetryGrant } from "./retry_grant.ts";
import type { Returning } from "./returning.ts";
import { Suspicion } from "./suspicion.ts";
import type { KeptAnswer } from "./unstreamed.ts";

/** One that was silent for longer, and failed, is likely to be so again. */
const LONG_SILENCE_MS = 3000;
/** An instance that has given nobody anything for so long may be mute, where whole answers are waited for. */
const WHOLE_MUTE_MS = 5000;

export interface RouteParts {
  fleet: Fleet;
  /** Asks the instances how long a context they take, where that is not known. Never rejects. */
  learnContexts(config: Config): Promise<void>;
  random(): number;
  /** Instances that broken streams wait for. */
  returning: Returning;
}

/** Where the answer comes from next, or why from nowhere. */
export type Turn =
  | { kind: "lease"; lease: Lease }
  /** Nobody has room, and the wait was too long. */
  | { kind: "overloaded"; refusal: NoAnswer }
  | { kind: "none" }
  | { kind: "gone" };

/** An instance's own words that the prompt is too long for it, and its context where that is known. */
interface TooLong {
  instance: Instance;
  answer: Proof & { kind: "too_long" };
  contextLength: number;
}

export class Route {
  #pool: Pool;
  #ask: Ask;
  readonly #met = new Met();
  readonly #retry: RetryGrant;
  #triedAgain = false;
  /** performance.now() up to which the pool is looked at again where nobody is there to be asked. */
  #looksUntil = Infinity;
  /** It looks for one that is back. */
  #looks = false;
  /** It has waited for an instance to return, and does not ask one that others look after already. */
  #waits = false;
  /** To be told what comes of the attempt under way. */
  #tellReturning: ReturnType<Returning["asked"]> | null = null;
  #tooLong: TooLong | null = null;
  /** It waits for the first of its answer, and was at an engine that died. */
  #suspicion: Suspicion | null = null;
  /** Milliseconds that the request stood in line. */
  waitedMs = 0;

  constructor(
    private readonly request: ForwardRequest,
    private readonly config: Config,
    private readonly parts: RouteParts,
    budget: RetryBudget,
  ) {
    const pool = parts.fleet.pool(request.model);
    // It was there when the request was read; a reload has taken it away since.
    if (pool === undefined) {
      throw new RequestError(404, `The model \`${request.model}\` does not exist.`, "model");
    }
    this.#pool = pool;
    this.#ask = this.#askOf(pool);
    this.#retry = new RetryGrant(budget);
  }

  /** The instances in question: those that the request began with, or those in force since one of them failed. */
  get pool(): Pool {
    return this.#pool;
  }

  /** The next instance to ask; it counts as tried from now on. Waits in line where all are full. */
  async next(): Promise<Turn> {
    const turn = this.#suspicion === null ? await this.#next() : await this.#apart(this.#suspicion);
    if (turn.kind !== "lease") return turn;
    const { instance } = turn.lease;
    this.#met.tries(instance);
    this.#retry.attempted(instance);
    if (this.#waits) this.#tellReturning = this.parts.returning.asked(instance);
    return turn;
  }

  /**
   * A place for a second attempt beside the one of `lease`, at an instance that gets on where that one does
   * not, or has far less to do; null where there is none. It counts as tried.
   */
  beside({ instance, sentAt }: Lease): Lease | null {
    if (sentAt === null || this.pool.waiting > 0) return null;
    const { stream } = this.request;
    // What comes whole is silent for as long as it is: only one that gives nobody anything tells more.
    const since = stream ? sentAt : Math.max(sentAt, instance.now() - WHOLE_MUTE_MS);
    const isMute = instance.lastProgress <= since;
    if (!stream && !isMute) return null;
    const lease = this.pool.acquire((other) =>
      this.#accepts(other) &&
      ((stream && 2 * other.inFlight < instance.inFlight) ||
        (isMute && (other.inFlight === 0 || other.lastProgress > since))), this.#ask);
    if (lease === null || lease === "full") return null;
    this.#met.tries(lease.instance);
    return lease;
  }

  /** Whether the instance has sent nothing to anybody since then, while others have. */
  isMute({ instance, sentAt }: Lease): boolean {
    return sentAt !== null && this.pool.answeredSince(instance, sentAt);
  }

  /** What the beginning of an attempt proved. */
  proved(kind: Proof["kind"]): void {
    const isNeither = kind === "gone" || kind === "closed" || kind === "over";
    this.#tellReturning?.(kind === "failed" ? kind : isNeither ? "neither" : "answered");
    this.#tellReturning = null;
    if (kind === "failed") return;
    this.#suspicion?.left();
    this.#suspicion = null;
  }

  /** The engine of an instance died so long after it was given the request, and had given nothing back. */
  engineDied(instance: Instance, livedMs: number): void {
    this.#suspicion ??= new Suspicion((body) => this.parts.fleet.locked(body));
    this.#suspicion.died(instance, livedMs);
  }

  /** It may be what killed an engine: nobody is to have it beside another. */
  get isSuspect(): boolean {
    return this.#suspicion !== null;
  }

  /** Whose engines died one after the other while they had it; null where that may be chance. */
  get enginesKilled(): readonly string[] | null {
    return this.#suspicion?.isProved ? this.#suspicion.deaths : null;
  }

  /** An attempt failed, before its answer began or in the middle of it. */
  failed(instance: Instance, failure: Failure): void {
    this.#suspicion?.left();
    if (this.#met.failed(instance, failure) === 0) {
      this.#retry.notAsked(instance);
      return;
    }
    this.#looksUntil = performance.now() + this.config.retryMaxWaitS * 1000;
  }

  /** Nobody is asked any more: a retry that was not made is left to others. */
  [Symbol.dispose](): void {
    this.#retry.close();
    this.#suspicion?.left();
  }

  /** The time that its failure took says more of it than how it ended. */
  wasSilent(instance: Instance, ms: number): void {
    if (ms > Math.max(LONG_SILENCE_MS, this.config.retryMaxWaitS * 1000)) {
      this.#met.gaveUpOn(instance);
    }
  }

  /** What it sent could not be read: it is likely to say the same once more. */
  wasOdd(instance: Instance): void {
    this.#met.gaveUpOn(instance);
  }

  /** The prompt did not fit: from now on only a longer context comes into question. */
  async tooLong(instance: Instance, answer: TooLong["answer"]): Promise<void> {
    const { privateInstances, fallbacks } = this.pool;
    const others = [...privateInstances, ...fallbacks].filter((other) =>
      !this.#met.hasTried(other)
    );
    if (others.some((other) => other.contextLength === null)) {
      await this.parts.learnContexts(this.config);
    }
    const contextLength = instance.contextLength ??
      readError(answer.body, answer.head.status).contextLength ??
      Infinity;
    this.#tooLong = { instance, answer, contextLength };
  }

  /** Whether an instance that is well, other than this one, could still be asked. */
  hasOther(instance: Instance): boolean {
    const { privateInstances, fallbacks } = this.pool;
    return [...privateInstances, ...fallbacks].some((other) =>
      other !== instance && other.takesRequests && !other.isOut && !this.#met.isTooSlow(other) &&
      !this.#met.lacksPath(other) &&
      (this.#accepts(other) || (this.#met.hasTried(other) && !this.#triedAgain))
    );
  }

  /** The instance may be asked again, in another way. */
  forget(instance: Instance): void {
    this.#met.forget(instance);
  }

  /**
   * After a while all but the last instance that was asked may be asked again, those excepted that were
   * too slow. The pool may be waited for once more.
   */
  forgetEarlier(): void {
    this.#met.forgetEarlier();
    this.#triedAgain = this.#looks = false;
  }

  /**
   * Nobody could be asked: waits, and lets all be asked again, since they may have come back meanwhile. False
   * when the client left.
   */
  async waitForReturn(ms: number): Promise<boolean> {
    if (!this.#waits) {
      for (const { instance } of this.#met.failures) this.parts.returning.failed(instance.config);
    }
    this.#waits = true;
    this.#looks = false;
    if (!await this.#pause(ms)) return false;
    this.#met.forgetAll();
    this.#triedAgain = true;
    this.#retry.giveFree();
    return true;
  }

  /** The answer of an instance that the prompt was too long for, where no longer context was found. */
  get words(): KeptAnswer | null {
    if (this.#tooLong === null) return null;
    const { instance, answer } = this.#tooLong;
    return { instance, answer: { ...answer, kind: "whole", parsed: null } };
  }

  /** Why nobody answered, and what each instance did. */
  refusal(): NoAnswer {
    const { request, config } = this;
    const { failures } = this.#met;
    return failures.length === 0
      ? nobodyTakes(request.model, this.pool)
      : nobodyCould(request, failures, config.maxRetryAfterS, this.#lackPathAll);
  }

  /** Whether the path is at none of those that the request could go to, be they asked or not. */
  get #lackPathAll(): boolean {
    const { request: { stickyTo }, pool: { privateInstances, fallbacks } } = this;
    return [...privateInstances, ...fallbacks].every((one) =>
      this.#met.lacksPath(one) || (stickyTo !== null && one.name !== stickyTo)
    );
  }

  async #next(): Promise<Turn> {
    const { request } = this;
    if (request.client.gone) return { kind: "gone" };
    if (this.#met.hasBegun) this.#goesWithFleet();
    const { pool } = this;
    const sticky = this.#stickyLease();
    // Nobody else has what it keeps.
    if (sticky === "full") return await this.#waitInLine(request.stickyTo);
    if (sticky !== null) return { kind: "lease", lease: sticky };
    // Those who wait come first, except before a request that has had its turn and met a failure.
    const isFirst = this.#met.hasBegun || pool.queue.isFreeFor(request.priority);
    if (!isFirst) return await this.#waitInLine();
    const lease = this.#acquirePrivate();
    if (lease === "full") return await this.#waitInLine();
    if (lease !== null) return { kind: "lease", lease };
    if (this.#goesWithFleet()) return await this.#next();
    if (this.#tooLong === null && await this.#waitForPool()) return await this.#next();
    if (request.client.gone) return { kind: "gone" };
    const fallback = pool.acquireFallback(this.#accepts);
    if (fallback !== null) return { kind: "lease", lease: fallback };
    return { kind: "none" };
  }

  /** For a suspect: an instance without others, as long as it has patience. */
  async #apart(suspicion: Suspicion): Promise<Turn> {
    for (;;) {
      let waitMs = suspicion.waitMs(this.#inQuestion, this.parts.random());
      if (waitMs === 0) {
        const turn = await this.#next();
        if (turn.kind !== "lease" || suspicion.comes(turn.lease)) return turn;
        turn.lease.release("neutral");
        waitMs = suspicion.stepsBackMs(this.parts.random());
      }
      if (!await this.#pause(waitMs)) return { kind: "gone" };
    }
  }

  /** Who could be asked now: private ones, else fallbacks. */
  get #inQuestion(): readonly Instance[] {
    const { privateInstances, fallbacks } = this.pool;
    const fits = (one: Instance) =>
      one.takesRequests && one.isAvailable && one.hasRoom && this.#accepts(one);
    const well = privateInstances.filter(fits);
    return well.length > 0 ? well : fallbacks.filter(fits);
  }

  #askOf(pool: Pool): Ask {
    const { request } = this;
    return {
      model: request.model,
      priority: request.priority,
      chain: pool.chainOf(request.body, request.prompt),
      answerTokens: request.prompt.answerTokens,
      session: request.session,
      rank: rankIn(request.client.headers),
    };
  }

  /**
   * Those that the request began with failed, or cannot answer: a reload may have taken some of them out, or put
   * others in their places, as when a deployment is replaced. False where nobody else is in force.
   */
  #goesWithFleet(): boolean {
    const pool = this.parts.fleet.pool(this.request.model);
    if (pool === undefined || pool === this.#pool) return false;
    // An instance that is taken out may yet have the answer that nobody else has.
    if (!pool.instances.some((one) => one.takesRequests)) return false;
    const now = (before: readonly Instance[]) =>
      before.flatMap(({ config }) => pool.instances.filter((one) => one.config.id === config.id));
    this.#pool = pool;
    this.#ask = this.#askOf(pool);
    this.#met.goesOnWith(now);
    return true;
  }

  #stickyLease(): Acquired {
    const { stickyTo } = this.request;
    if (stickyTo === null || this.#met.hasTriedAny) return null;
    return this.pool.acquireNamed(stickyTo, this.#ask);
  }

  #acquirePrivate(): Lease | "full" | null {
    if (this.#looks && this.#isAskedEnough) return null;
    // After the wait each attempt on the pool is a retry, and each retry costs the budget.
    if (this.#triedAgain && this.pool.privateInstances.some(this.#accepts)) {
      if (!this.#retry.ask()) return null;
    }
    const well = this.#acquireWell();
    // An instance that is known to be out is worth a try only where nobody else can answer.
    if (well !== null || this.pool.hasFallback(this.#accepts)) return well;
    return this.pool.acquireAnyway(this.#accepts, this.#ask);
  }

  #acquireWell(): Acquired {
    if (this.#suspicion !== null) {
      const isFree = (one: Instance) => one.suspects.now === 0 && this.#accepts(one);
      const free = this.pool.acquire(isFree, this.#ask);
      if (free !== null && free !== "full") return free;
    }
    return this.pool.acquire(this.#accepts, this.#ask);
  }

  readonly #accepts = (instance: Instance): boolean => {
    if (this.#met.hasTried(instance) || this.#met.lacksPath(instance)) return false;
    const { stickyTo } = this.request;
    if (stickyTo !== null && instance.name !== stickyTo) return false;
    if (this.#waits && !this.parts.returning.mayAsk(instance)) return false;
    if (!this.request.isInference && !lends(instance.config, this.request.path)) return false;
    const tooLong = this.#tooLong;
    // A context that nobody knows may be long enough.
    return tooLong === null || (instance.contextLength ?? Infinity) > tooLong.contextLength;
  };

  /** For the keeper of a stored response, where that is what it is about, else for anybody. */
  async #waitInLine(keeper: string | null = null): Promise<Turn> {
    const { request, pool } = this;
    const { terms } = request;
    const leavePlace = terms === null ? undefined : terms.takePlace();
    if (leavePlace === null) return { kind: "overloaded", refusal: tooBusy(terms!.noPlaceWords) };
    let stays = () => {};
    const leave = (out: () => void) => stays = request.client.onGone(out);
    const anybody = !this.#met.hasBegun && request.isInference;
    const since = performance.now();
    const waited = keeper !== null
      ? await pool.waitNamed(keeper, this.#ask, leave)
      : await pool.wait(this.#ask, leave, anybody ? null : this.#accepts);
    stays();
    leavePlace?.();
    this.waitedMs += performance.now() - since;
    switch (waited.kind) {
      case "served":
        return { kind: "lease", lease: waited.value };
      case "gone":
        return { kind: "gone" };
      case "turned_away":
        return await this.#next();
      case "full":
        return { kind: "overloaded", refusal: lineIsFull(request.model) };
      case "deadline": {
        const refusal = waitedInVain(request.model, this.config.queue.deadlineS);
        return { kind: "overloaded", refusal };
      }
    }
  }

  get #isAskedEnough(): boolean {
    const { privateInstances } = this.pool;
    return this.#met.isAskedEnough(privateInstances.filter((one) => one.takesRequests).length);
  }

  /**
   * Instances had begun with the request and are gone, and nobody is there to be asked: for a while since the
   * last of them was, it is looked for one that is back. What a request that kills whoever is asked may cost
   * is bounded by what the two rounds on the pool would have cost.
   */
  get #looksAgain(): boolean {
    const { last, wasAsked } = this.#met;
    // A broken stream waits in a way of its own.
    if (last === undefined || !wasAsked || this.#waits) return false;
    if (this.#isAskedEnough || performance.now() >= this.#looksUntil) return false;
    return last.failure.notAsked === true ||
      (isGone(last.failure, last.instance) && !this.pool.hasFallback(this.#accepts));
  }

  /**
   * A passing failure is worth one more try on the private pool after a short wait with full jitter,
   * never before an instance wants to be asked again. True when the pool should be asked again.
   */
  async #waitForPool(): Promise<boolean> {
    const looks = this.#triedAgain;
    if (looks && !this.#looksAgain) return false;
    const maxWaitMs = this.config.retryMaxWaitS * 1000;
    if (!looks) this.#looksUntil = performance.now() + maxWaitMs;
    this.#triedAgain = true;
    this.#looks = looks;
    const fallbackWaits = this.pool.hasFallback(this.#accepts);
    const again = this.pool.privateInstances.filter((instance) =>
      instance.takesRequests && !this.#met.isTooSlow(instance) &&
      instance.busyForMs <= maxWaitMs && this.#mayHaveItAgain(instance) &&
      !(fallbackWaits && (instance.isOut || this.#met.isHopeless(instance)))
    );
    if (again.length === 0 || maxWaitMs === 0) return false;
    // To look again where nobody was asked takes no other request's retry.
    if (looks && this.#met.last?.failure.notAsked === true) this.#retry.giveFree();
    if (!this.#retry.ask()) return false;
    const soonest = Math.min(...again.map((instance) => instance.busyForMs));
    const jitter = this.parts.random() * Math.min(500, maxWaitMs - soonest);
    if (!await this.#pause(soonest + jitter)) return false;
    this.#met.forgetThose(again);
    return true;
  }

  #mayHaveItAgain(instance: Instance): boolean {
    if (this.#met.lacksPath(instance)) return false;
    const { stickyTo } = this.request;
    if (stickyTo !== null && instance.name !== stickyTo) return false;
    return this.#met.mayHaveItAgain(instance);
  }

  /** False when the client left meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(true), ms);
    const stays = this.request.client.onGone(() => resolve(false));
    const stayed = await promise;
    clearTimeout(timer);
    stays();
    return stayed;
  }
}

/** Whether it did not refuse what it was asked for, but was lost with it. */
function isGone({ kind, mute, upstreamStatus }: Failure, instance: Instance): boolean {
  return mute === true || instance.isOut || (kind === "passing" && upstreamStatus === undefined);
}

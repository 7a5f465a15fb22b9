// Who is asked next for one request, or why nobody: private instances that are well, once more on the pool
// after a short wait when the failure was a passing one, fallbacks in their order; private instances that
// are out only where no fallback can take the request.

import { readError } from "../api/error.ts";
import type { Config } from "../config/config.ts";
import { RequestError } from "../http/client.ts";
import type { Ask } from "../pool/balancing/strategy.ts";
import type { Fleet } from "../pool/fleet.ts";
import type { Instance } from "../pool/instance.ts";
import type { Lease } from "../pool/lease.ts";
import type { Acquired, Pool } from "../pool/pool.ts";
import type { Proof } from "./attempt.ts";
import type { Failure } from "./failure.ts";
import { lends } from "./lending.ts";
import type { ForwardRequest } from "./request.ts";
import type { RetryBudget } from "./retry_budget.ts";

export interface RouteParts {
  fleet: Fleet;
  /** Asks the instances how long a context they take, where that is not known. Never rejects. */
  learnContexts(config: Config): Promise<void>;
  random(): number;
}

/** Where the answer comes from next, or why from nowhere. */
export type Turn =
  | { kind: "lease"; lease: Lease }
  /** Nobody has room, and the wait was too long. */
  | { kind: "overloaded"; message: string }
  | { kind: "none" }
  | { kind: "gone" };

/** Why nobody answered, in words for the client. */
export interface Refusal {
  status: number;
  message: string;
  retryAfterS: number | null;
}

/** An instance's own words that the prompt is too long for it, and its context where that is known. */
interface TooLong {
  instance: Instance;
  answer: Proof & { kind: "too_long" };
  contextLength: number;
}

export class Route {
  readonly pool: Pool;
  readonly #ask: Ask;
  readonly #failures: { instance: Instance; failure: Failure }[] = [];
  readonly #tried = new Set<Instance>();
  /** Not to be asked again for this request: the wait would be as long as the first one. */
  readonly #tooSlow = new Set<Instance>();
  #triedAgain = false;
  /** Retries on the pool that the budget has granted and that were not made yet. */
  #granted = 0;
  #tooLong: TooLong | null = null;

  constructor(
    private readonly request: ForwardRequest,
    private readonly config: Config,
    private readonly parts: RouteParts,
    private readonly budget: RetryBudget,
  ) {
    const pool = parts.fleet.pool(request.model);
    // It was there when the request was read; a reload has taken it away since.
    if (pool === undefined) {
      throw new RequestError(404, `The model \`${request.model}\` does not exist.`, "model");
    }
    this.pool = pool;
    this.#ask = {
      model: request.model,
      priority: request.priority,
      chain: pool.chainOf(request.body, request.prompt),
      answerTokens: request.prompt.answerTokens,
    };
  }

  /** The next instance to ask; it counts as tried from now on. Waits in line where all are full. */
  async next(): Promise<Turn> {
    const turn = await this.#next();
    if (turn.kind === "lease") this.#tried.add(turn.lease.instance);
    return turn;
  }

  /** An attempt failed before its answer began. */
  failed(instance: Instance, failure: Failure): void {
    this.#failures.push({ instance, failure });
    if (failure.kind === "timeout") this.#tooSlow.add(instance);
  }

  /** Its answer broke off after a part of it had gone to the client. */
  brokeOff(instance: Instance, failure: Failure): void {
    this.failed(instance, failure);
  }

  /** The prompt did not fit: from now on only a longer context comes into question. */
  async tooLong(instance: Instance, answer: TooLong["answer"]): Promise<void> {
    const { privateInstances, fallbacks } = this.pool;
    const others = [...privateInstances, ...fallbacks].filter((other) => !this.#tried.has(other));
    if (others.some((other) => other.contextLength === null)) {
      await this.parts.learnContexts(this.config);
    }
    const contextLength = instance.contextLength ??
      readError(answer.body, answer.head.status).contextLength ??
      Infinity;
    this.#tooLong = { instance, answer, contextLength };
  }

  /** The instance may be asked again, in another way. */
  forget(instance: Instance): void {
    this.#tried.delete(instance);
  }

  /**
   * After a while all but the last instance that was asked may be asked again, those excepted that were
   * too slow. The pool may be waited for once more.
   */
  forgetEarlier(): void {
    const last = [...this.#tried].at(-1);
    for (const instance of this.#tried) {
      if (instance !== last && !this.#tooSlow.has(instance)) this.#tried.delete(instance);
    }
    this.#triedAgain = false;
  }

  /**
   * Nobody could be asked: waits, and lets all be asked again, since they may have come back meanwhile. False
   * when the client left.
   */
  async waitForReturn(ms: number): Promise<boolean> {
    if (!await this.#pause(ms)) return false;
    this.#tried.clear();
    this.#triedAgain = true;
    this.#granted = 1;
    return true;
  }

  /** The answer of an instance that the prompt was too long for, where no longer context was found. */
  get words(): { instance: Instance; answer: Proof & { kind: "whole" } } | null {
    if (this.#tooLong === null) return null;
    const { instance, answer } = this.#tooLong;
    return { instance, answer: { ...answer, kind: "whole" } };
  }

  /** Why nobody answered, and what each instance did. */
  refusal(): Refusal {
    const { model } = this.request;
    const failures = this.#failures;
    if (failures.length === 0) {
      const busyMs = Math.min(
        ...this.pool.privateInstances.filter((i) => i.takesRequests).map((i) => i.busyForMs),
      );
      if (Number.isFinite(busyMs) && busyMs > 0) {
        const message = `All instances of model \`${model}\` are busy`;
        return { status: 429, message, retryAfterS: Math.ceil(busyMs / 1000) };
      }
      const message = `No instance of model \`${model}\` takes requests`;
      return { status: 503, message, retryAfterS: null };
    }
    const statuses = new Set(failures.map(({ failure }) => failure.status));
    const status = statuses.size === 1 ? [...statuses][0] : statuses.has(502) ? 502 : 503;
    // An instance that was asked twice is named once, with what it said last.
    const said = new Map(failures.map(({ instance, failure }) => [instance.name, failure]));
    const message = `No instance of model \`${model}\` could answer. ` +
      [...said].map(([name, failure]) => `${name}: ${failure.message}`).join("; ");
    const waits = failures.map(({ failure }) => failure.retryAfterS).filter((s) => s !== null);
    const allBusy = failures.every(({ failure }) => failure.kind === "busy");
    const retryAfterS = waits.length > 0
      ? Math.min(...waits, this.config.maxRetryAfterS)
      : allBusy
      ? 1
      : null;
    return { status, message, retryAfterS };
  }

  async #next(): Promise<Turn> {
    const { pool, request } = this;
    if (request.client.gone) return { kind: "gone" };
    const sticky = this.#stickyLease();
    // Nobody else has what it keeps.
    if (sticky === "full") return await this.#waitInLine(request.stickyTo);
    if (sticky !== null) return { kind: "lease", lease: sticky };
    // Those who wait come first, except before a request that has had its turn and met a failure.
    const isFirst = this.#tried.size > 0 || pool.queue.isFreeFor(request.priority);
    if (!isFirst) return await this.#waitInLine();
    const lease = this.#acquirePrivate();
    if (lease === "full") return await this.#waitInLine();
    if (lease !== null) return { kind: "lease", lease };
    if (this.#tooLong === null && await this.#waitForPool()) return await this.#next();
    if (request.client.gone) return { kind: "gone" };
    const fallback = pool.acquireFallback(this.#accepts);
    if (fallback !== null) return { kind: "lease", lease: fallback };
    return { kind: "none" };
  }

  #stickyLease(): Acquired {
    const { stickyTo } = this.request;
    if (stickyTo === null || this.#tried.size > 0) return null;
    return this.pool.acquireNamed(stickyTo, this.#ask);
  }

  #acquirePrivate(): Lease | "full" | null {
    // After the wait each attempt on the pool is a retry, and each retry costs the budget.
    if (this.#triedAgain && this.pool.privateInstances.some(this.#accepts)) {
      if (this.#granted === 0 && !this.budget.withdraw()) return null;
      this.#granted = 0;
    }
    const well = this.pool.acquire(this.#accepts, this.#ask);
    // An instance that is known to be out is worth a try only where nobody else can answer.
    if (well !== null || this.pool.hasFallback(this.#accepts)) return well;
    return this.pool.acquireAnyway(this.#accepts, this.#ask);
  }

  readonly #accepts = (instance: Instance): boolean => {
    if (this.#tried.has(instance)) return false;
    if (!this.request.isInference && !lends(instance.config, this.request.path)) return false;
    const tooLong = this.#tooLong;
    // A context that nobody knows may be long enough.
    return tooLong === null || (instance.contextLength ?? Infinity) > tooLong.contextLength;
  };

  /** For the keeper of a stored response, where that is what it is about, else for anybody. */
  async #waitInLine(keeper: string | null = null): Promise<Turn> {
    const { request, pool } = this;
    let stays = () => {};
    const leave = (out: () => void) => stays = request.client.onGone(out);
    const anybody = this.#tried.size === 0 && request.isInference;
    const waited = keeper !== null
      ? await pool.waitNamed(keeper, this.#ask, leave)
      : await pool.wait(this.#ask, leave, anybody ? null : this.#accepts);
    stays();
    switch (waited.kind) {
      case "served":
        return { kind: "lease", lease: waited.value };
      case "gone":
        return { kind: "gone" };
      case "turned_away":
        return await this.#next();
      case "full":
        return {
          kind: "overloaded",
          message: `The queue of model \`${request.model}\` is full (queue.max)`,
        };
      case "deadline":
        return {
          kind: "overloaded",
          message: `All instances of model \`${request.model}\` are busy; ` +
            `waited ${this.config.queue.deadlineS} s (queue.deadline)`,
        };
    }
  }

  /**
   * A passing failure is worth one more try on the private pool after a short wait with full jitter,
   * never before an instance wants to be asked again. True when the pool should be asked again.
   */
  async #waitForPool(): Promise<boolean> {
    if (this.#triedAgain) return false;
    this.#triedAgain = true;
    const maxWaitMs = this.config.retryMaxWaitS * 1000;
    const timedOut = new Set(
      this.#failures.filter(({ failure }) => failure.kind === "timeout").map((f) => f.instance),
    );
    const fallbackWaits = this.pool.hasFallback(this.#accepts);
    const again = this.pool.privateInstances.filter((instance) =>
      instance.takesRequests && !timedOut.has(instance) && instance.busyForMs <= maxWaitMs &&
      !(instance.isOut && fallbackWaits)
    );
    if (again.length === 0 || maxWaitMs === 0 || !this.budget.withdraw()) return false;
    const soonest = Math.min(...again.map((instance) => instance.busyForMs));
    const jitter = this.parts.random() * Math.min(500, maxWaitMs - soonest);
    if (!await this.#pause(soonest + jitter)) return false;
    for (const instance of again) this.#tried.delete(instance);
    this.#granted = 1;
    return true;
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

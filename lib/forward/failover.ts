// From a request to an answer, whatever single instances do: attempt after attempt until one has proved
// itself, then the relay. The order is: private instances that are well, once more on the pool after a
// short wait when the failure was a passing one, fallbacks in their order; private instances that are
// out only where no fallback can take the request.

import type { Config, ResumeMode } from "../config/config.ts";
import type { ClientReply } from "../http/client.ts";
import { openAiErrorBody } from "../http/openai_error.ts";
import type { TryOutcome } from "../observe/tally.ts";
import type { Fleet } from "../pool/fleet.ts";
import type { Instance } from "../pool/instance.ts";
import type { Lease } from "../pool/lease.ts";
import type { Pool } from "../pool/pool.ts";
import { Attempt, type AttemptParts, type AttemptResult, type Failure } from "./attempt.ts";
import { KeepAlive } from "./keepalive.ts";
import { relay } from "./relay.ts";
import { Account, type ForwardRequest } from "./request.ts";
import { RetryBudget } from "./retry_budget.ts";
import { parseRequest } from "./resume_plan.ts";
import { streamErrorEvent } from "./stream_error.ts";
import { mayBeExact, TokenIds } from "./token_ids.ts";

export interface ForwarderParts extends AttemptParts {
  fleet: Fleet;
  /** Asks the instances how long a context they take, where that is not known. Never rejects. */
  learnContexts(config: Config): Promise<void>;
  /** An instance answers a request of /v1/responses; the response's id is at the beginning of `bytes`. */
  noteStored(bytes: Uint8Array, instance: Instance): void;
  random(): number;
}

/** Where the answer comes from next, or why from nowhere. */
type Next =
  | { kind: "lease"; lease: Lease }
  | { kind: "overloaded"; message: string }
  | { kind: "none" }
  | { kind: "gone" };

/** An instance's own words that the prompt is too long for it, and its context where that is known. */
interface TooLong {
  instance: Instance;
  answer: AttemptResult & { kind: "too_long" };
  contextLength: number;
}

export class Forwarder {
  readonly #budget = new RetryBudget();

  constructor(private readonly parts: ForwarderParts) {}

  /** Answers the client in any case; never rejects for what an instance or the client does. */
  async forward(request: ForwardRequest, reply: ClientReply, config: Config): Promise<Account> {
    const pool = this.parts.fleet.pool(request.model)!;
    this.#budget.deposit();
    const keepAlive = new KeepAlive(request, reply, config.keepaliveS, this.parts.clock);
    try {
      return await new Exchange(request, reply, config, pool, this.parts, keepAlive, this.#budget)
        .run();
    } finally {
      keepAlive.stop();
    }
  }
}

/** The state of one request on its way through the fleet. */
export class Exchange {
  readonly account = new Account();
  readonly failures: { instance: Instance; failure: Failure }[] = [];
  readonly #tried = new Set<Instance>();
  /** Not to be asked again for this request: the wait would be as long as the first one. */
  readonly #tooSlow = new Set<Instance>();
  #triedAgain = false;
  readonly resumeMode: ResumeMode;
  /** Whether instances are asked for token ids, to resume by. */
  readonly #isExact: boolean;
  /** Retries on the pool that the budget has granted and that were not made yet. */
  #granted = 0;
  /** A 400 for a prompt that is too long, kept while a longer context is looked for. */
  #tooLong: TooLong | null = null;

  constructor(
    readonly request: ForwardRequest,
    readonly reply: ClientReply,
    readonly config: Config,
    readonly pool: Pool,
    readonly parts: ForwarderParts,
    readonly keepAlive: KeepAlive,
    private readonly budget: RetryBudget,
  ) {
    this.resumeMode = config.resume.models[request.model] ?? config.resume.default;
    this.#isExact = this.resumeMode === "exact" && asksExactly(request);
  }

  async run(): Promise<Account> {
    for (;;) {
      const next = await this.nextLease();
      if (next.kind === "gone") return this.#left();
      if (next.kind === "overloaded") return await this.#refuse(429, next.message, 1);
      if (next.kind === "none") return await this.#fail();
      if (await this.#attempt(next.lease)) return this.account;
    }
  }

  /** The next instance to ask. Waits in line where all have as many requests as they may. */
  async nextLease(): Promise<Next> {
    const { pool, request } = this;
    if (request.client.gone) return { kind: "gone" };
    const sticky = this.#stickyLease();
    if (sticky !== null) return { kind: "lease", lease: sticky };
    // Those who wait come first, except before a request that has had its turn and met a failure.
    const isFirst = this.#tried.size > 0 || pool.queue.isFreeFor(request.priority);
    if (!isFirst) return await this.#waitInLine();
    const lease = this.#acquirePrivate();
    if (lease === "full") return await this.#waitInLine();
    if (lease !== null) return { kind: "lease", lease };
    if (this.#tooLong === null && await this.#waitForPool()) return await this.nextLease();
    if (request.client.gone) return { kind: "gone" };
    const fallback = pool.acquireFallback(this.#accepts);
    if (fallback !== null) return { kind: "lease", lease: fallback };
    return { kind: "none" };
  }

  #stickyLease(): Lease | null {
    const { stickyTo } = this.request;
    if (stickyTo === null || this.#tried.size > 0) return null;
    return this.pool.acquireNamed(stickyTo);
  }

  #acquirePrivate(): Lease | "full" | null {
    // After the wait each attempt on the pool is a retry, and each retry costs the budget.
    if (this.#triedAgain && this.pool.privateInstances.some(this.#accepts)) {
      if (this.#granted === 0 && !this.budget.withdraw()) return null;
      this.#granted = 0;
    }
    const well = this.pool.acquire(this.#accepts);
    // An instance that is known to be out is worth a try only where nobody else can answer.
    if (well !== null || this.pool.hasFallback(this.#accepts)) return well;
    return this.pool.acquireAnyway(this.#accepts);
  }

  /** After a prompt was too long for one instance, only a longer context comes into question. */
  readonly #accepts = (instance: Instance): boolean => {
    if (this.#tried.has(instance)) return false;
    const tooLong = this.#tooLong;
    return tooLong === null || (instance.contextLength ?? 0) > tooLong.contextLength;
  };

  async #waitInLine(): Promise<Next> {
    const { request, pool } = this;
    let stopListening = () => {};
    const waited = await pool.wait(
      request.priority,
      (leave) => stopListening = request.client.onGone(leave),
      this.#tried.size === 0 ? null : this.#accepts,
    );
    stopListening();
    switch (waited.kind) {
      case "served":
        return { kind: "lease", lease: waited.value };
      case "gone":
        return { kind: "gone" };
      case "turned_away":
        return await this.nextLease();
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
      this.failures.filter(({ failure }) => failure.kind === "timeout").map((f) => f.instance),
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
  #pause(ms: number): Promise<boolean> {
    const { client } = this.request;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        stopListening();
        resolve(true);
      }, ms);
      const stopListening = client.onGone(() => {
        clearTimeout(timer);
        resolve(false);
      });
    });
  }

  /** Asks one instance; true when the client has its answer (or is gone). */
  async #attempt(lease: Lease): Promise<boolean> {
    const attempt = this.begin(lease, this.#isExact ? new TokenIds() : null);
    try {
      return await this.#take(attempt, await attempt.run());
    } finally {
      attempt.close();
      lease.release("neutral");
      this.endTrace(attempt);
    }
  }

  /** After the attempt has its place in the account. */
  endTrace({ trace }: Attempt): void {
    trace?.end(this.account.attempts.at(-1), this.account.usage);
  }

  /** An attempt on the instance of `lease`, which counts as tried from now on. */
  begin(lease: Lease, tokenIds: TokenIds | null = null): Attempt {
    this.#tried.add(lease.instance);
    return new Attempt(
      this.request,
      lease,
      this.account.attempts.length + 1,
      this.config,
      this.parts,
      tokenIds,
    );
  }

  /** An attempt failed before its answer began. */
  gaveNothing(instance: Instance, failure: Failure): void {
    const { kind, message, upstreamStatus } = failure;
    this.#log(instance, kind === "busy" ? "busy" : "failed", message, upstreamStatus);
    this.failures.push({ instance, failure });
    if (kind === "timeout") this.#tooSlow.add(instance);
  }

  /** Its answer broke off after a part of it had gone to the client. */
  brokeOff(instance: Instance, failure: Failure): void {
    this.failures.push({ instance, failure });
    // One that stands still may be well again later, but only health checks tell.
    if (failure.kind === "timeout" && this.config.healthCheck.intervalS === 0) {
      this.#tooSlow.add(instance);
    }
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

  /** The instance may be asked again, in another way. */
  forget(instance: Instance): void {
    this.#tried.delete(instance);
  }

  async #take(attempt: Attempt, result: AttemptResult): Promise<boolean> {
    const { lease, instance } = attempt;
    switch (result.kind) {
      case "gone":
        this.#log(instance, "aborted", "the client left");
        this.#left();
        return true;
      case "failed":
        this.gaveNothing(instance, result.failure);
        lease.release(
          result.failure.kind === "busy" ? "neutral" : "failure",
          result.failure.message,
        );
        return false;
      case "too_long":
        this.#log(instance, "too_long", "the prompt is too long for it", result.head.status);
        lease.release("neutral");
        await this.#noteTooLong(instance, result);
        return false;
      default:
        this.account.attempts.push({
          instance: instance.name,
          outcome: "answered",
          status: result.head.status,
        });
        await relay(this, attempt, result);
        return true;
    }
  }

  async #noteTooLong(instance: Instance, answer: TooLong["answer"]): Promise<void> {
    const { privateInstances, fallbacks } = this.pool;
    const others = [...privateInstances, ...fallbacks].filter((other) => !this.#tried.has(other));
    if (others.some((other) => other.contextLength === null)) {
      await this.parts.learnContexts(this.config);
    }
    const contextLength = instance.contextLength ?? contextNamedIn(answer.body) ?? Infinity;
    this.#tooLong = { instance, answer, contextLength };
  }

  #log(instance: Instance, outcome: TryOutcome, error: string, status?: number): void {
    this.account.attempts.push(
      status === undefined
        ? { instance: instance.name, outcome, error }
        : { instance: instance.name, outcome, status, error },
    );
  }

  #left(): Account {
    this.account.outcome = "aborted";
    this.account.status = 499;
    this.account.error = "the client left";
    return this.account;
  }

  /** Nothing answered: says so, and what each instance did. */
  async #fail(): Promise<Account> {
    if (this.#tooLong !== null) {
      this.account.instance = this.#tooLong.instance.name;
      await relay(this, null, { ...this.#tooLong.answer, kind: "whole" });
      return this.account;
    }
    const { model } = this.request;
    if (this.failures.length === 0) {
      const busyMs = Math.min(
        ...this.pool.privateInstances.filter((i) => i.takesRequests).map((i) => i.busyForMs),
      );
      if (Number.isFinite(busyMs) && busyMs > 0) {
        const seconds = Math.ceil(busyMs / 1000);
        return await this.#refuse(429, `All instances of model \`${model}\` are busy`, seconds);
      }
      return await this.#refuse(503, `No instance of model \`${model}\` takes requests`, null);
    }
    const statuses = new Set(this.failures.map(({ failure }) => failure.status));
    const status = statuses.size === 1 ? [...statuses][0] : statuses.has(502) ? 502 : 503;
    // An instance that was asked twice is named once, with what it said last.
    const said = new Map(this.failures.map(({ instance, failure }) => [instance.name, failure]));
    const message = `No instance of model \`${model}\` could answer. ` +
      [...said].map(([name, failure]) => `${name}: ${failure.message}`).join("; ");
    const waits = this.failures.map(({ failure }) => failure.retryAfterS).filter((s) => s !== null);
    const retryAfterS = waits.length > 0 ? Math.min(...waits) : status === 429 ? 1 : null;
    return await this.#refuse(status, message, retryAfterS);
  }

  async #refuse(status: number, message: string, retryAfterS: number | null): Promise<Account> {
    const { account, reply, request } = this;
    account.outcome = "failed";
    account.status = status;
    account.error = message;
    await this.keepAlive.stopAndSettle();
    if (reply.begun) {
      await reply.write(streamErrorEvent(request.api, status, message));
      await reply.end();
      return account;
    }
    const headers: [string, string][] = [
      ["content-type", "application/json"],
      ["x-request-id", request.id],
    ];
    if (retryAfterS !== null) headers.push(["retry-after", String(Math.ceil(retryAfterS))]);
    await reply.send(status, headers, openAiErrorBody(status, message));
    return account;
  }
}

/** "This model's maximum context length is 4096 tokens": vLLM's and OpenAI's words; null without. */
function contextNamedIn(body: Uint8Array): number | null {
  const text = new TextDecoder().decode(body.subarray(0, 4096));
  const found = /maximum (?:context|model) length (?:is|of) (\d{1,9})/i.exec(text);
  return found === null ? null : Number(found[1]);
}

function asksExactly(request: ForwardRequest): boolean {
  if (!request.stream || request.api === null) return false;
  const asked = parseRequest(request.body);
  return asked !== null && mayBeExact(request.api, asked, request.choices);
}

// One request of a caller's: what it reserves, how it waits for that, and the one end, at which what it
// really used is settled. Whoever opens it disposes of it; what was not settled until then is given back.

import type { Period, Rates } from "../config/access.ts";
import type { ClientRequest } from "../http/client.ts";
import { type HeaderList, pathOf } from "../http/message.ts";
import type { Enrolled } from "../http/roll.ts";
import type { Charged } from "../observe/report.ts";
import type { PromptSize } from "../pool/prefix/prompt_size.ts";
import type { Access } from "./access.ts";
import { budgetRefusal } from "./budget_words.ts";
import type { Caller } from "./caller.ts";
import { StruckRequest } from "./credentials.ts";
import type { Level, Reservation, Reserved, Work } from "./counters.ts";
import { USUAL_ANSWER } from "./estimates.ts";
import type { Short } from "./key_lines.ts";
import type { Limits } from "./limits.ts";
import { withLimitHeaders } from "./limit_headers.ts";
import { Refusal } from "./refusal.ts";
import { refusalOf } from "./shortage_words.ts";
import { mostTokensOf, type Scope } from "./scope.ts";
import type { BudgetLevel } from "./usage/budget.ts";
import type { Spent, Used } from "./usage/charge.ts";
import type { Ledger } from "./usage/ledger.ts";
import type { Prices } from "./usage/price.ts";

/** What a request is about, as far as limits care. */
export interface Purpose {
  /** null where it is for no model. */
  readonly model: string | null;
  /** null where no tokens are used. */
  readonly size: PromptSize | null;
  /** Answers asked for at once; 0 where tokens of the prompt alone are used. */
  readonly answers: number;
  /** Tokens that each may have; 0 where that is not said. */
  readonly most: number;
  /** Whether it is work for an instance, and not only a look. */
  readonly slot: boolean;
}

/** Whether a request has what it needs, or has to wait for it. */
export type Admitted = "admitted" | "waits";

export const NOTHING_SPENT: Spent = { prompt: 0, cached: 0, completion: 0, estimated: false };

/** What visits have in common: made once, not for each. */
export interface House {
  readonly limits: Limits;
  readonly ledger: Ledger;
  readonly prices: Prices;
  /** The rules in force by now; null where anyone may ask. */
  inForce(): Access | null;
  /** The visit is over. */
  onEnd(visit: Visit): void;
}

/** Of `queue`. */
export interface QueueRules {
  readonly max: number;
  readonly deadlineS: number;
}

export class Visit implements Enrolled {
  place = -1;
  /** Of the limits that were passed, or of those that were not. */
  #levels: readonly Level[] = [];
  #reservation: Reservation | null = null;
  #isLocal = false;
  #purpose: Purpose | null = null;
  /** Estimated tokens of the prompt, and of all answers. */
  #prompt = 0;
  #answer = 0;
  /** Tokens below which nothing is reserved, whatever its limits: what the client has asked for itself. */
  #least = 0;
  /** Whether it was ended before its time. */
  isCut = false;
  /** The request without a word of who brings it. */
  readonly client: StruckRequest;
  /** The limit that made it wait, or that refused it. */
  limited: string | null = null;
  /** Whether it waited for that limit. */
  queued = false;
  /** Once it is settled. */
  charged: Charged | null = null;

  constructor(
    readonly caller: Caller,
    private readonly access: Access,
    client: ClientRequest,
    private readonly queue: QueueRules,
    private readonly house: House,
  ) {
    this.client = new StruckRequest(client);
    this.#rules = access;
  }

  /** What limits were asked for; "" where it never came to that, or is for no model. */
  get model(): string {
    return this.#purpose?.model ?? "";
  }

  /** Estimated tokens of the prompt; 0 where none are used. */
  get estimatedPrompt(): number {
    return this.#prompt;
  }

  /** Estimated tokens of the answers that were asked for. */
  get estimatedAnswer(): number {
    return this.#answer;
  }

  /** Whether instances have to say what an answer took: estimates would be booked else. */
  get asksUsage(): boolean {
    return this.access.config.settle === "usage";
  }

  /** How the caller's limits stand; nothing is taken. */
  async look(): Promise<readonly Level[]> {
    return await this.house.limits.counters.look(this.caller.scopes);
  }

  get inFlight(): number {
    return this.house.limits.inFlight(this.caller.scopes[0]);
  }

  /** How the budgets of the caller and its group stand. */
  get budgets(): { scope: Scope; level: BudgetLevel }[] {
    return this.caller.scopes.flatMap((scope) =>
      scope.kind === "model"
        ? []
        : this.house.ledger.budgetOf(scope.budgets, scope.kind, scope.name).levels
          .map((level) => ({ scope, level }))
    );
  }

  used(period: Period): Used {
    return this.house.ledger.used("key", this.caller.name, period);
  }

  /** The key was taken away, and nothing under way is to go on: the client is treated as one that left. */
  cut(): void {
    this.isCut = true;
    this.client.leave();
  }

  /**
   * The answer's head with what the caller has left. An instance's own limits are no business of the
   * caller's.
   */
  withLimits(fields: HeaderList): HeaderList {
    const path = pathOf(this.client.target);
    const all = withLimitHeaders(fields, path, this.#levels, this.house.limits.wallMs);
    if (this.#isLocal) all.push(["x-gateway-limits", "local"]);
    return all;
  }

  /**
   * Takes what the request needs from all its limits, at once where they are kept here; throws, or rejects
   * with, Refusal. Where it has to wait, `wait` is the way.
   */
  admit(purpose: Purpose): Admitted | Promise<Admitted> {
    const work = this.#workFor(purpose);
    if (purpose.size !== null) this.#examineBudgets(this.caller);
    const isBehind = this.#mayWait && this.house.limits.lines.isOccupied(this.caller.name);
    if (isBehind) return "waits";
    const answer = this.house.limits.counters.reserve(work);
    return answer instanceof Promise
      ? answer.then((reserved) => this.#admitted(reserved))
      : this.#admitted(answer);
  }

  #admitted(reserved: Reserved): Admitted {
    if (reserved.kind === "short" && this.#mayWait && reserved.shortages[0].waitMs !== null) {
      this.limited = reserved.shortages[0].limit;
      this.#levels = reserved.levels;
      return "waits";
    }
    this.#take(reserved);
    return "admitted";
  }

  /** Waits for what `admit` did not get. False where the client left; throws Refusal. */
  async wait(client: ClientRequest): Promise<boolean> {
    const leavePlace = this.takePlace();
    if (leavePlace === null) throw this.#tooManyWait();
    this.queued = true;
    const { deadlineS } = this.queue;
    let stays = () => {};
    const waited = await this.house.limits.lines.wait(
      this.caller.name,
      () => this.#workNow(),
      deadlineS * 1000,
      (out) => stays = client.onGone(out),
    );
    stays();
    leavePlace();
    if (waited.kind === "gone") return false;
    if (waited.kind === "late") {
      const words = ` It has waited ${deadlineS} s (queue.deadline).`;
      if (waited.short === null) {
        throw new Refusal({
          status: 429,
          reason: "queue",
          message: `Key \`${this.caller.name}\` has requests that wait before this one.${words}`,
          waitMs: 1000,
        });
      }
      throw this.#refused(waited.short, words);
    }
    this.#take(waited);
    // It may have been used up by those who stood before.
    if (this.#purpose!.size !== null) this.#examineBudgets(this.#callerNow);
    return true;
  }

  /** A place in a line, of which a key may hold its share only: what gives it back, or null. */
  takePlace(): (() => void) | null {
    const { max } = this.queue;
    const most = Math.max(1, Math.floor(max * this.access.config.maxShareOfQueue));
    return this.house.limits.takePlace(this.caller.scopes[0], most);
  }

  /** Why there was no place. */
  get noPlaceWords(): string {
    return `Key \`${this.caller.name}\` has as many requests in line as one key may have ` +
      "(limits.max_share_of_queue)";
  }

  /**
   * What was really used is booked, and settled with the counters. `outcome` in the words of reports. The
   * first call counts.
   */
  settle(spent: Spent, outcome: string): void {
    if (this.charged !== null) return;
    const { model } = this;
    const { ledger, prices, limits } = this.house;
    const { prompt, cached, completion, estimated } = spent;
    const cost = prices.costOf(model, spent);
    this.charged = { prompt, cached, completion, estimated, cost };
    const { name, group } = this.caller;
    // Before its place is free: whoever takes that, in another worker too, finds the budget as it stands.
    ledger.charge({
      key: name,
      group: group === null ? null : group.name,
      model,
      prompt,
      cached,
      completion,
      estimated,
      cost,
      outcome,
      atMs: limits.wallMs,
    });
    this.#release(prompt + completion);
    if (!estimated) this.#learn(spent);
  }

  /** The end in any case: what is still held is given back. */
  [Symbol.dispose](): void {
    this.#release(0);
    this.house.onEnd(this);
  }

  #release(tokens: number): void {
    const reservation = this.#reservation;
    this.#reservation = null;
    if (reservation !== null) reservation.maker.settle(reservation, tokens);
  }

  get #mayWait(): boolean {
    return this.caller.key.over === "queue" && this.#purpose!.slot;
  }

  #work: Work | null = null;
  /** Whose limits it is by. */
  #rules: Access | null;

  #workFor(purpose: Purpose): Work {
    const { model, size, answers, most, slot } = this.#purpose = purpose;
    const { estimates } = this.house.limits;
    const { name, scopes } = this.caller;
    const passed = this.access.scopesOf(this.caller, model);
    let tokens = 0;
    if (model !== null && size !== null) {
      this.#prompt = estimates.prompt(model, size);
      const guess = estimates.answer(name, most);
      tokens = this.#prompt + answers * guess;
      // How many answers it wants is no guess either: what they overdraw is not all paid back.
      this.#least = guess === most
        ? tokens
        : this.#prompt + (answers > 1 ? answers * Math.min(guess, USUAL_ANSWER) : 0);
      tokens = this.#within(passed, tokens);
      this.#answer = tokens - this.#prompt;
      for (let at = 0; at < scopes.length; at++) this.#examine(scopes[at].rates, most, answers);
    }
    return this.#work = {
      sharedName: null,
      scopes: passed,
      requests: 1,
      tokens,
      slot,
    };
  }

  /** The same by the limits in force: they may have changed since it stands in line. */
  #workNow(): Work {
    const rules = this.house.inForce();
    if (rules !== this.#rules) {
      this.#rules = rules;
      const scopes = rules === null ? [] : rules.scopesOf(this.#callerNow, this.#purpose!.model);
      this.#work = { ...this.#work!, scopes, tokens: this.#within(scopes, this.#work!.tokens) };
    }
    return this.#work!;
  }

  /** Nobody is refused for good for a guess: what earlier answers took is not what this request asks for. */
  #within(scopes: readonly Scope[], tokens: number): number {
    return Math.max(this.#least, Math.min(tokens, mostTokensOf(scopes)));
  }

  get #callerNow(): Caller {
    return this.house.inForce()?.successorOf(this.caller) ?? this.caller;
  }

  #examineBudgets({ scopes }: Caller): void {
    const { ledger } = this.house;
    for (let at = 0; at < scopes.length; at++) {
      const scope = scopes[at];
      if (scope.kind === "model" || !ledger.isUsedUp(scope.budgets, scope.kind, scope.name)) {
        continue;
      }
      const { exhausted } = ledger.budgetOf(scope.budgets, scope.kind, scope.name);
      if (exhausted === undefined) continue;
      const { timeZone } = this.access.config;
      const refusal = budgetRefusal(scope, exhausted, timeZone, this.house.limits.wallMs);
      this.limited = refusal.facts.reason;
      throw refusal;
    }
  }

  #examine(rates: Rates, most: number, answers: number): void {
    const { maxPromptTokens, maxCompletionTokens } = rates;
    const name = `Key \`${this.caller.name}\``;
    if (maxPromptTokens !== null && this.#prompt > maxPromptTokens) {
      throw new Refusal({
        status: 400,
        reason: "max_prompt_tokens",
        message: `${name} may send prompts of ${maxPromptTokens} tokens; this one has about ` +
          `${this.#prompt}.`,
        param: "input_tokens",
        limit: maxPromptTokens,
      });
    }
    if (maxCompletionTokens !== null && most > maxCompletionTokens && answers > 0) {
      throw new Refusal({
        status: 400,
        reason: "max_completion_tokens",
        message: `${name} may ask for ${maxCompletionTokens} tokens an answer; this request asks ` +
          `for ${most}.`,
        param: "max_tokens",
        limit: maxCompletionTokens,
      });
    }
  }

  #take(reserved: Reserved): void {
    switch (reserved.kind) {
      case "reserved":
        this.#reservation = reserved.reservation;
        this.#levels = reserved.reservation.levels;
        this.#isLocal = reserved.reservation.isLocal;
        return;
      case "short":
        throw this.#refused(reserved);
      case "closed":
        throw new Refusal({
          status: 503,
          reason: "shared_state",
          message: "The server that keeps the limits cannot be reached (shared_state.when_down)",
          waitMs: 1000,
        });
    }
  }

  #refused({ shortages, levels }: Short, waited = ""): Refusal {
    this.limited = shortages[0].limit;
    this.#levels = levels;
    return refusalOf(shortages[0], waited);
  }

  #tooManyWait(): Refusal {
    return new Refusal({
      status: 429,
      reason: "queue",
      message: `${this.noPlaceWords}.`,
      waitMs: 1000,
    });
  }

  #learn({ prompt, completion }: Spent): void {
    if (this.#purpose === null) return;
    const { model, size, answers } = this.#purpose;
    if (model === null || size === null || prompt === 0) return;
    this.house.limits.estimates.prompted(model, size, prompt);
    if (answers > 0) this.house.limits.estimates.answered(this.caller.name, completion / answers);
  }
}

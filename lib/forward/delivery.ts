// One request on its way to an answer, whatever single instances do. It is a row of attempts: before each,
// what the client has decides what is asked for; an answer that breaks off goes on with the next attempt.
// Failing over is resuming with nothing sent, so there is one loop, and it is here.

import type { Config } from "../config/config.ts";
import type { Receipt } from "../pool/balancing/receipt.ts";
import type { Instance } from "../pool/instance.ts";
import type { Roster } from "../pool/roster.ts";
import type { Lease } from "../pool/lease.ts";
import { Account } from "./account.ts";
import { AfterBreak, type Step } from "./after_break.ts";
import { type Ask, FirstAsk, type IdsRefused } from "./ask.ts";
import { Attempt, type AttemptOwner, type AttemptParts } from "./attempt.ts";
import { Hedge } from "./hedge/hedge.ts";
import type { Hedging } from "./hedge/hedging.ts";
import { Race } from "./hedge/race.ts";
import type { Proof } from "./attempt/proof.ts";
import { refusedOption, refusesRank } from "./added_refused.ts";
import type { ClientStream } from "./client_stream.ts";
import { type Failure, leaseOutcome, timesAsked } from "./failure.ts";
import type { ForwardRequest } from "./request.ts";
import type { Movable, Moving } from "./moving.ts";
import type { StreamFault } from "../sse/fault.ts";
import type { SseObserver } from "../sse/observer.ts";
import { HiddenUsage, usageOption } from "./hidden_usage.ts";
import type { Replacement } from "./target.ts";
import { Resumption } from "./resume/resumption.ts";
import { goesOnByIds, resumeRules } from "./resume/rules.ts";
import { tailOf } from "./resume/tail.ts";
import type { OptionRefused } from "./option_refused.ts";
import type { TokenIds } from "./resume/token_ids.ts";
import type { Killers } from "./killers.ts";
import { killsEngines, type NoAnswer } from "./refusal.ts";
import type { Route, RouteParts, Turn } from "./route.ts";
import { type StreamEnd, streamEnd } from "./stream_end.ts";
import { deliver, deliverKept } from "./unstreamed.ts";
import { wordsOf } from "./verdict.ts";

export interface DeliveryParts extends AttemptParts, RouteParts {
  /** Requests that could leave their instances. */
  moving: Moving;
  /**
   * An instance answers a request of /v1/responses; the response's id is at the beginning of `bytes`. `owner`
   * is a number for the caller, 0 where anyone may ask.
   */
  noteStored(bytes: Uint8Array, instance: Instance, owner: number): void;
  /** Of the instances that there are. */
  readonly roster: Roster;
  /** The instance does not have what it is known for. */
  lacksModel(instance: Instance): void;
  /** The instance refuses a data-parallel rank that the gateway named. */
  refusesRank(instance: Instance): void;
}

/** What all requests of an isolate share. */
export interface SharedParts extends DeliveryParts {
  readonly idsRefused: IdsRefused;
  readonly usageRefused: OptionRefused;
  readonly hedging: Hedging;
  readonly killers: Killers;
}

/** One request on its way. */
export class Delivery implements Movable, AttemptOwner {
  readonly account = new Account();
  place = -1;
  /** Of the attempt that has an instance beside it, or may get one. */
  #hedge: Hedge | null = null;
  /** The attempt that could be left, and the events of its answer once they go to the client. */
  #attemptNow: Attempt | null = null;
  #relayed: SseObserver | null = null;
  /** Set once the answer has broken off. */
  #after: AfterBreak | null = null;
  #ids: TokenIds | null = null;
  /** What asks for usage that the client did not ask for; null where nobody needs it. */
  readonly #usageOption: Replacement | null;

  constructor(
    readonly request: ForwardRequest,
    private readonly client: ClientStream,
    readonly route: Route,
    readonly config: Config,
    readonly parts: SharedParts,
  ) {
    this.#usageOption = usageOption(request);
    if (request.terms !== null) client.onEnding = () => this.#ending();
  }

  async run(): Promise<void> {
    const { route, parts: { idsRefused, usageRefused } } = this;
    let step: Step = new FirstAsk(
      this.request,
      goesOnByIds(this.request, this.config.resume),
      idsRefused,
      this.#usageOption,
      usageRefused,
    );
    while (step !== "over") {
      const turn: Turn = await route.next();
      step = turn.kind === "lease"
        ? await this.#attempt(turn.lease, step)
        : await this.#withoutInstance(turn, step);
    }
    this.#settle();
    this.account.keep(this.client);
  }

  #settle(): void {
    this.account.settle(this.client);
    if (this.request.terms?.asksUsage) this.#countIds();
  }

  /** The client is about to have its answer whole; whether it takes the last bytes changes nothing any more. */
  #ending(): void {
    const { account, client, request } = this;
    client.onEnding = null;
    if (!account.isEnded) account.end("complete", account.status);
    this.#settle();
    request.terms!.ending(request, account);
  }

  /** Where nobody told figures, the ids of the tokens are as good, unless some of them are not known. */
  #countIds(): void {
    const { account } = this;
    const usage = this.#ids?.usage ?? null;
    if (account.usage !== null || usage === null) return;
    if (account.resumed.every(({ way }) => way === "exact")) account.counted(usage);
  }

  get at(): string {
    return this.#attemptNow?.instance.name ?? "";
  }

  /** What has begun can go on only as after a break; what has not is asked of another. */
  leave(): boolean {
    const { request, route } = this;
    const attempt = this.#attemptNow;
    if (attempt === null || !request.isInference || !route.hasOther(attempt.instance)) return false;
    // Nobody else has what it refers to.
    if (request.stickyTo !== null) return false;
    return (this.#relayed === null || this.#canBreak(this.#relayed)) && attempt.leave();
  }

  /** Only what goes on at the very token: any other way may fail, and the answer where it is does not. */
  #canBreak(reader: SseObserver): boolean {
    if (reader.finished || reader.fault !== null) return false;
    if (this.#after !== null) return this.#after.mayBreak;
    const next = this.#newResumption().begin();
    return next !== null && next !== "limit" && next.way === "exact";
  }

  #newResumption(): Resumption {
    const rules = resumeRules(this.config, this.route.pool);
    const asksUsage = this.#usageOption !== null;
    return new Resumption(this.request, this.client, rules, this.#ids, asksUsage);
  }

  /** Asks one instance, and where it is silent for far longer than usual another one beside it. */
  async #attempt(lease: Lease, ask: Ask): Promise<Step> {
    const { request, parts, account, route } = this;
    const number = account.attempts.length + 1;
    const first = this.#newAttempt(lease, ask, number);
    // Without another one there is no race, and nothing is made for it.
    const isRace = !route.isSuspect && route.pool.instances.length > 1 &&
      parts.hedging.isFor(request, ask, lease.instance);
    this.#hedge = isRace ? this.#newHedge(lease, ask, number) : null;
    using race = this.#hedge === null ? null : new Race(first, this.#hedge);
    parts.moving.add(this);
    try {
      if (race === null) return await this.#proved(first, ask, await first.prove());
      const { attempt, proof } = await race.proved();
      return await this.#proved(attempt, ask, proof);
    } finally {
      parts.moving.remove(this);
      this.#attemptNow = this.#relayed = null;
      // Leaving without a word holds nothing against the instance.
      first[Symbol.dispose]();
    }
  }

  /** What the beginning of an attempt has proved decides how the answer goes on. */
  #proved(attempt: Attempt, ask: Ask, proof: Proof): Step | Promise<Step> {
    const { request, parts, account, route, client } = this;
    // What is no stream of events is on its way to the client, and stays.
    this.#attemptNow = proof.kind === "events" ? attempt : null;
    this.#relayed = proof.kind === "events" ? proof.reader : null;
    route.proved(proof.kind);
    const { instance } = attempt;
    switch (proof.kind) {
      case "gone":
        attempt.end("aborted", "neutral", "the client left");
        return this.#left();
      case "failed":
        this.#failed(attempt, ask.way === null ? proof.failure : atOtherPath(proof.failure));
        if (route.enginesKilled !== null) return this.#givenToNobody(route.enginesKilled);
        // Whoever is asked would need as long: the client's time is spent.
        return proof.failure.kind === "late" ? this.#refuse(route.refusal()) : ask;
    }
    if (refusesRank(proof, attempt)) {
      instance.refusesRanks = true;
      const words = `it does not have the rank ${attempt.rank!.name}`;
      attempt.end("unusable", "neutral", words);
      route.forget(instance);
      parts.refusesRank(instance);
      return ask;
    }
    if (ask.way !== null) return this.#goOnWith(attempt, ask, proof);
    if (proof.kind === "closed" || proof.kind === "over") throw new Error("only a resume prepares");
    const unknown = refusedOption(proof, ask, instance);
    if (unknown !== null) {
      parts[unknown === "return_token_ids" ? "idsRefused" : "usageRefused"].add(instance.config);
      attempt.end("unusable", "neutral", `it does not know ${unknown}`);
      route.forget(instance);
      return ask;
    }
    if (proof.kind === "too_long") {
      attempt.end("too_long", "neutral", "the prompt is too long for it");
      return route.tooLong(instance, proof).then(() => ask);
    }
    account.answeredBy(instance.name, proof.head.status);
    account.routed(attempt.receipt);
    client.route = toldRoute(request, account, attempt.receipt);
    if (request.api === "responses" && proof.kind !== "bytes") {
      // Before the client knows the id, and can ask another worker for it.
      const begun = proof.kind === "whole" ? proof.body : proof.first;
      parts.noteStored(begun, instance, request.terms?.owner ?? 0);
    }
    const isUsual = proof.kind === "events" ||
      ((proof.kind === "whole" || request.api === null) && proof.head.status < 300);
    if (isUsual && parts.hedging.isFor(request, ask, instance)) {
      parts.hedging.came(request, attempt.silentMs);
    }
    if (proof.kind === "events") return this.#relay(attempt, ask, proof);
    return deliver(attempt, proof, request, client, account);
  }

  #newHedge(lease: Lease, ask: Ask, number: number): Hedge {
    const { request, route, parts: { clock, hedging } } = this;
    return new Hedge(lease, {
      request,
      route,
      hedging,
      clock,
      newAttempt: (other) => this.#newAttempt(other, ask, number + 1),
      failed: (attempt, failure) => this.#failed(attempt, failure),
    });
  }

  #newAttempt(lease: Lease, ask: Ask, number: number): Attempt {
    const attempt = new Attempt(this, ask, lease, number);
    // A second one beside it goes on when the first leaves.
    this.#attemptNow ??= attempt;
    return attempt;
  }

  /** Notes what an attempt failed by, and ends it. */
  #failed(attempt: Attempt, failure: Failure): void {
    const { route } = this;
    const { message, kind } = failure;
    const livedMs = attempt.lostEngineAfterMs(failure);
    if (livedMs !== null) route.engineDied(attempt.instance, livedMs);
    if (timesAsked(failure) === 0) this.#hedge?.askedNobody(attempt);
    route.failed(attempt.instance, failure);
    route.wasSilent(attempt.instance, attempt.silentMs);
    if (failure.lacksPath) return attempt.end("answered", "neutral", message);
    if (kind === "lacks") this.parts.lacksModel(attempt.instance);
    const outcome = kind === "busy" || kind === "scarce" || kind === "moved" ? kind : "failed";
    attempt.end(outcome, leaseOutcome(kind), message);
  }

  /** What an instance adds to an answer that has broken off elsewhere. */
  async #goOnWith(attempt: Attempt, ask: Ask, proof: Proof): Promise<Step> {
    if (proof.kind === "events" && !proof.ended) return await this.#relay(attempt, ask, proof);
    const after = this.#after!;
    if (proof.kind === "over") return await after.finish(attempt, ask, proof.events);
    attempt.end("unusable", "neutral");
    return await after.otherwise(attempt.instance);
  }

  /** A stream of events, from its first to its last or to where it breaks off. */
  async #relay(attempt: Attempt, ask: Ask, proof: Proof & { kind: "events" }): Promise<Step> {
    const { account, client, route } = this;
    const { head, reader, ended } = proof;
    const { instance } = attempt;
    const own = ask.stages();
    const hides = ask.way !== null && this.#usageOption !== null;
    const stages = hides ? [...own, new HiddenUsage(client)] : own;
    if (ask.way === null) {
      this.#ids = proof.ids;
      client.counted = () => proof.ids?.usage ?? null;
      await client.openEvents(head, instance.name, reader);
    }
    const had = client.store?.count ?? 0;
    let agrees = true;
    let failure: Failure | null = null;
    try {
      agrees = await attempt.relay(proof, stages, client);
    } catch (error) {
      if (!client.gone) failure = attempt.explain(error);
    }
    const added = ask.way !== null && client.store!.count > had;
    if (added) this.#after!.goesOn(instance, ask);
    if (client.gone) {
      attempt.end("answered", "neutral");
      return this.#left();
    }
    if (client.isCut) {
      // The instance did nothing wrong.
      attempt.end("answered", "success");
      account.end("filtered", head.status);
      await client.end();
      return "over";
    }
    const fault = attempt.faultOf(reader);
    if (ended) {
      attempt.end("answered", "neutral");
      account.end("rejected", head.status, fault === null ? "" : wordsOf(fault));
      await client.end();
      return "over";
    }
    const { api } = ask;
    const end = streamEnd({ api, reader, stages, agrees, failure, fault, isLeft: attempt.isLeft });
    switch (end.kind) {
      case "whole":
        if (!end.isClosed) await this.#addTail(ask);
        attempt.end("answered", "success", "", client.usage);
        account.end("complete", head.status);
        await client.end();
        return "over";
      case "differs": {
        const message = "its answer differs from the part already sent";
        attempt.end("unusable", "neutral", message);
        const after = this.#after!;
        return await (added ? after.again(reader.pieces) : after.otherwise(instance));
      }
      case "broken":
        if (failure !== null) route.failed(instance, failure);
        return await this.#broke(attempt, reader, end, fault);
    }
  }

  /** The answer is not whole, and this instance adds nothing to it any more. */
  #broke(
    attempt: Attempt,
    { pieces }: SseObserver,
    end: StreamEnd & { kind: "broken" },
    fault: StreamFault | null,
  ): Promise<Step> {
    const { account, route } = this;
    const { instance } = attempt;
    route.wasSilent(instance, attempt.silentMs);
    if (end.isOdd) route.wasOdd(instance);
    attempt.end(attempt.isLeft ? "moved" : "broken", end.lease, end.words);
    account.error = `${instance.name}: ${end.words}`;
    const after = this.#after ??= this.#afterBreak(fault?.event ?? null);
    return after.broke(instance, pieces, end);
  }

  #afterBreak(lastWords: Uint8Array | null): AfterBreak {
    const { request, client, account, route } = this;
    const resumption = this.#newResumption();
    const hidesUsage = this.#usageOption !== null;
    return new AfterBreak({ request, client, account, route, resumption, hidesUsage, lastWords });
  }

  /** The answer is whole but for what follows its finish. */
  async #addTail(ask: Ask): Promise<void> {
    const { client, request } = this;
    const ids = ask.way === null || ask.way === "exact" ? this.#ids : null;
    const tail = client.store === null ? null : tailOf(request, client.store, ids);
    if (tail === null) return;
    client.keep(tail);
    await client.write(tail);
  }

  /** Nobody can be asked. */
  async #withoutInstance(turn: Exclude<Turn, { kind: "lease" }>, ask: Ask): Promise<Step> {
    const { account, client, request, route } = this;
    if (turn.kind === "gone") return this.#left();
    if (this.#after !== null) return await this.#after.waited(ask, this.parts.random());
    const { words } = route;
    const isKept = turn.kind === "none" && words !== null;
    if (isKept) return await deliverKept(words, request, client, account);
    return await this.#refuse(turn.kind === "overloaded" ? turn.refusal : route.refusal());
  }

  async #refuse(refusal: NoAnswer): Promise<"over"> {
    const outcome = refusal.isClients ? "rejected" : "failed";
    this.account.end(outcome, refusal.status, refusal.message);
    await this.client.refuse(refusal);
    return "over";
  }

  /** It has killed two engines; what its client has of an answer ends here. */
  #givenToNobody(killed: readonly string[]): Promise<Step> {
    const refusal = killsEngines(killed);
    this.account.killed = killed;
    this.parts.killers.note(this.request);
    return this.#after === null ? this.#refuse(refusal) : this.#after.stop(refusal);
  }

  #left(): "over" {
    this.account.left();
    return "over";
  }
}

/** What goes on with an answer may ask for another path than the client did. */
function atOtherPath(failure: Failure): Failure {
  return failure.lacksPath ? { ...failure, lacksPath: undefined } : failure;
}

/** What the client is told of why this instance answers. */
function toldRoute(
  { routeTold }: ForwardRequest,
  { route, attempts }: Account,
  receipt: Receipt | null,
): string | null {
  if (routeTold === "off" || receipt === null) return null;
  return routeTold === "short" ? route : receipt.full(attempts.length + 1);
}

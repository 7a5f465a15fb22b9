// From a request to an answer, whatever single instances do. A request is a row of attempts: before each,
// what the client has decides what is asked for; an answer that breaks off goes on with the next attempt.
// Failing over is resuming with nothing sent, so there is one loop, and it is here.

import { readError } from "../api/error.ts";
import type { Config } from "../config/config.ts";
import type { ClientReply } from "../http/client.ts";
import { joined } from "../http/joined.ts";
import type { Instance } from "../pool/instance.ts";
import type { Lease } from "../pool/lease.ts";
import type { Outcome } from "../pool/outlier.ts";
import { Account } from "./account.ts";
import { type Ask, FirstAsk, IdsRefused } from "./ask.ts";
import { Attempt, type AttemptParts, type Proof } from "./attempt.ts";
import { ClientStream } from "./client_stream.ts";
import type { Failure } from "./failure.ts";
import type { ForwardRequest } from "./request.ts";
import { endAtLimit } from "./resume/limit.ts";
import { type Next, Resumption } from "./resume/resumption.ts";
import { resumeModeOf, resumeRules } from "./resume/rules.ts";
import { tailOf } from "./resume/tail.ts";
import type { TokenIds } from "./resume/token_ids.ts";
import { RetryBudget } from "./retry_budget.ts";
import { type Refusal, Route, type RouteParts, type Turn } from "./route.ts";
import { streamErrorEvent } from "./stream_error.ts";

export interface ForwarderParts extends AttemptParts, RouteParts {
  /** An instance answers a request of /v1/responses; the response's id is at the beginning of `bytes`. */
  noteStored(bytes: Uint8Array, instance: Instance): void;
}

export class Forwarder {
  readonly #budget = new RetryBudget();
  readonly #idsRefused = new IdsRefused();

  constructor(private readonly parts: ForwarderParts) {}

  /**
   * Answers the client in any case; never rejects for what an instance or the client does. RequestError
   * where the model is served no more.
   */
  async forward(request: ForwardRequest, reply: ClientReply, config: Config): Promise<Account> {
    this.#budget.deposit();
    const { parts } = this;
    const route = new Route(request, config, parts, this.#budget);
    const client = new ClientStream(request, reply, config, parts.clock);
    const delivery = new Delivery(request, client, route, config, parts, this.#idsRefused);
    try {
      await delivery.run();
    } finally {
      client.close();
    }
    return delivery.account;
  }
}

/** What a failure says of the instance. */
const LEASE_OUTCOMES: Readonly<Record<Failure["kind"], Outcome>> = {
  busy: "busy",
  passing: "failure",
  timeout: "failure",
  late: "neutral",
  shutting_down: "shutting_down",
  misconfigured: "misconfigured",
  lacks: "neutral",
};

/** What is asked for next, or that the client has all that it will get. */
type Step = Ask | "over";

/** One request on its way. */
class Delivery {
  readonly account = new Account();
  /** Set once the answer has broken off. */
  #resumption: Resumption | null = null;
  #ids: TokenIds | null = null;
  /** Instances that have sent an event that cannot be read. */
  readonly #odd = new Set<Instance>();
  /** The error event with which the first instance broke off, in its own words. */
  #lastWords: Uint8Array | null = null;

  constructor(
    private readonly request: ForwardRequest,
    private readonly client: ClientStream,
    private readonly route: Route,
    private readonly config: Config,
    private readonly parts: ForwarderParts,
    private readonly idsRefused: IdsRefused,
  ) {}

  async run(): Promise<void> {
    const { client, route, account } = this;
    let step: Step = new FirstAsk(this.request, this.#wantsIds, this.idsRefused);
    while (step !== "over") {
      const turn: Turn = await route.next();
      step = turn.kind === "lease"
        ? await this.#attempt(turn.lease, step)
        : await this.#withoutInstance(turn, step);
    }
    account.settle(client);
  }

  /** Asks one instance. */
  async #attempt(lease: Lease, ask: Ask): Promise<Step> {
    const { request, config, parts, account, route, client } = this;
    const number = account.attempts.length + 1;
    using attempt = new Attempt(request, ask, lease, number, config, parts);
    const proof = await attempt.prove();
    const { instance } = attempt;
    switch (proof.kind) {
      case "gone":
        account.attempted(attempt.end("aborted", "neutral", "the client left"));
        return this.#left();
      case "failed": {
        const { message, kind } = proof.failure;
        route.failed(instance, proof.failure);
        account.attempted(
          attempt.end(kind === "busy" ? "busy" : "failed", LEASE_OUTCOMES[kind], message),
        );
        // Whoever is asked would need as long: the client's time is spent.
        return kind === "late" ? await this.#refuse(route.refusal()) : ask;
      }
    }
    if (ask.way !== null) return await this.#goOnWith(attempt, ask, proof);
    if (proof.kind === "closed" || proof.kind === "over") throw new Error("only a resume prepares");
    if (refusesIds(proof, ask, instance)) {
      this.idsRefused.add(instance.config);
      account.attempted(attempt.end("unusable", "neutral", "it does not know return_token_ids"));
      route.forget(instance);
      return ask;
    }
    if (proof.kind === "too_long") {
      account.attempted(attempt.end("too_long", "neutral", "the prompt is too long for it"));
      await route.tooLong(instance, proof);
      return ask;
    }
    account.answeredBy(instance.name, proof.head.status);
    if (request.api === "responses" && proof.kind !== "bytes") {
      // Before the client knows the id, and can ask another worker for it.
      parts.noteStored(proof.kind === "whole" ? proof.body : proof.first, instance);
    }
    if (proof.kind === "events") return await this.#relay(attempt, ask, proof);
    if (client.begun) return await this.#tooLate(attempt, proof);
    return proof.kind === "whole"
      ? await this.#whole(attempt, proof)
      : await this.#bytes(attempt, proof);
  }

  async #whole(attempt: Attempt, { head, body }: Proof & { kind: "whole" }): Promise<Step> {
    const { account, client } = this;
    const isAnswer = head.status < 400;
    account.attempted(attempt.end("answered", isAnswer ? "success" : "neutral"));
    await client.whole(head, account.instance, body);
    if (client.gone) return this.#left();
    account.end(isAnswer ? "complete" : "rejected", head.status);
    return "over";
  }

  async #bytes(attempt: Attempt, proof: Proof & { kind: "bytes" }): Promise<Step> {
    const { account, client } = this;
    const { status } = proof.head;
    await client.openBytes(proof.head, account.instance);
    try {
      await attempt.relayBytes(proof, client);
    } catch (error) {
      if (!client.gone) {
        const { message, kind } = attempt.explain(error);
        account.attempted(attempt.end("broken", LEASE_OUTCOMES[kind], message));
        account.end("truncated", status, message);
        client.cut();
        return "over";
      }
    }
    if (client.gone) {
      account.attempted(attempt.end("answered", "neutral"));
      return this.#left();
    }
    const isAnswer = status < 400;
    account.attempted(attempt.end("answered", isAnswer ? "success" : "neutral"));
    account.end(isAnswer ? "complete" : "rejected", status);
    await client.end();
    return "over";
  }

  /** A comment has already opened a stream; an answer that is none can only be an error in it now. */
  async #tooLate(attempt: Attempt | null, proof: Proof & { kind: "whole" | "bytes" }) {
    const { account, client, request } = this;
    const { status } = proof.head;
    const isAnswer = status < 400;
    const message = isAnswer
      ? "it did not answer with a stream of events"
      : readError(proof.kind === "whole" ? proof.body : joined(proof.first), status).message;
    if (attempt !== null) account.attempted(attempt.end("answered", "neutral"));
    account.end(isAnswer ? "failed" : "rejected", status, message);
    await client.endWithError(streamErrorEvent(request.api, isAnswer ? 502 : status, message));
    return "over" as const;
  }

  /** What an instance adds to an answer that has broken off elsewhere. */
  async #goOnWith(attempt: Attempt, ask: Ask, proof: Proof): Promise<Step> {
    if (proof.kind === "events" && !proof.ended) return await this.#relay(attempt, ask, proof);
    if (proof.kind === "over") return await this.#finish(attempt, ask, proof.events);
    this.account.attempted(attempt.end("unusable", "neutral"));
    // Another way may still work on this very instance.
    this.route.forget(attempt.instance);
    return await this.#follow(this.#resumption!.otherWay());
  }

  /** The answer had ended but for its last events, which nobody has to be asked for. */
  async #finish(attempt: Attempt, ask: Ask, events: Uint8Array): Promise<Step> {
    const { account, client } = this;
    account.attempted(attempt.end("answered", "neutral"));
    account.goesOn(attempt.instance.name, ask.way!, this.#resumption!.charsSent);
    account.end("complete", account.status);
    client.keep(events);
    await client.write(events);
    await client.end();
    return client.gone ? this.#left() : "over";
  }

  /** A stream of events, from its first to its last or to where it breaks off. */
  async #relay(attempt: Attempt, ask: Ask, proof: Proof & { kind: "events" }): Promise<Step> {
    const { account, client, route } = this;
    const { head, reader, ended } = proof;
    const { instance } = attempt;
    const stages = ask.stages();
    if (ask.way === null) {
      this.#ids = reader.ids;
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
    if (added) account.goesOn(instance.name, ask.way!, this.#resumption!.charsSent);
    if (client.gone) {
      account.attempted(attempt.end("answered", "neutral"));
      return this.#left();
    }
    if (ended) {
      account.attempted(attempt.end("answered", "neutral"));
      account.end("rejected", head.status);
      await client.end();
      return "over";
    }
    const said = reader.fault?.message ?? failure?.message;
    // An answer that had ended is whole, even when the connection then broke. Where its end is not
    // understood, only the connection tells.
    const isAtEnd = ask.api === null ? reader.isComplete && said === undefined : reader.finished;
    const isWhole = agrees && reader.fault === null && isAtEnd &&
      stages.every((stage) => stage.caughtUp);
    if (isWhole) {
      if (failure !== null || reader.pending > 0) await this.#addTail(ask);
      account.attempted(attempt.end("answered", "success", "", client.usage));
      account.end("complete", head.status);
      await client.end();
      return "over";
    }
    if (!agrees) {
      const message = "its answer differs from the part already sent";
      account.attempted(attempt.end("unusable", "neutral", message));
      if (added) return await this.#broke(reader.pieces);
      route.forget(instance);
      return await this.#follow(this.#resumption!.otherWay());
    }
    const broken = said ?? "it ended the stream before the answer was whole";
    const isLate = failure?.kind === "late";
    if (failure !== null) route.brokeOff(instance, failure);
    // An instance that does so twice does so because of what it is asked.
    const isOdd = reader.fault?.kind === "malformed" && this.#odd.has(instance);
    if (reader.fault?.kind === "malformed") this.#odd.add(instance);
    account.attempted(attempt.end("broken", isLate ? "neutral" : "failure", broken));
    account.error = `${instance.name}: ${broken}`;
    if (this.#resumption === null) this.#lastWords = reader.fault?.event ?? null;
    // Behind the finish nobody has anything to add, whatever the instance says of itself.
    const isOver = reader.fault !== null && reader.finished;
    if (isLate || isOdd || isOver) return await this.#follow(null);
    if (this.#resumption !== null) return await this.#broke(reader.pieces);
    client.detach();
    const rules = resumeRules(this.config, route.pool);
    this.#resumption = new Resumption(this.request, client, rules, this.#ids);
    return await this.#follow(this.#resumption.begin());
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

  /** An answer that had broken off before has done so again, after `seen` events. */
  async #broke(seen: number): Promise<Step> {
    const { next, gotOn } = this.#resumption!.broke(seen);
    // An answer that gets on may take long: who broke it earlier may be well again by now.
    if (gotOn) this.route.forgetEarlier();
    return await this.#follow(next);
  }

  /** After a break: what is asked for next, or the end. */
  async #follow(next: Next): Promise<Step> {
    const { account, client, request } = this;
    const { status } = account;
    if (client.gone) return this.#left();
    if (next === "limit") {
      const { answer, tokens } = this.#resumption!.sent;
      account.goesOn(account.instance, "limit", tokens);
      account.end("complete", status);
      const end = endAtLimit(request.api!, answer);
      client.keep(end);
      await client.write(end);
      await client.end();
      return "over";
    }
    if (next !== null) return next;
    account.end("truncated", status, account.error);
    await client.endWithError(
      this.#lastWords ??
        streamErrorEvent(request.api, 502, `The answer broke off. ${account.error}`),
    );
    return "over";
  }

  /** Nobody can be asked. */
  async #withoutInstance(turn: Exclude<Turn, { kind: "lease" }>, ask: Ask): Promise<Step> {
    const { account, client, route } = this;
    if (turn.kind === "gone") return this.#left();
    if (this.#resumption !== null) {
      const waitMs = this.#resumption.nextWaitMs(performance.now());
      if (waitMs === null) return await this.#follow(null);
      return await route.waitForReturn(waitMs) ? ask : this.#left();
    }
    const { words } = route;
    if (turn.kind === "none" && words !== null) {
      const { instance, answer } = words;
      const { status } = answer.head;
      account.answeredBy(instance.name, status);
      if (client.begun) return await this.#tooLate(null, answer);
      await client.whole(answer.head, instance.name, answer.body);
      account.end("rejected", status);
      return client.gone ? this.#left() : "over";
    }
    return await this.#refuse(
      turn.kind === "overloaded"
        ? { status: 429, message: turn.message, retryAfterS: 1 }
        : route.refusal(),
    );
  }

  async #refuse({ status, message, retryAfterS }: Refusal): Promise<"over"> {
    this.account.end("failed", status, message);
    await this.client.refuse(status, message, retryAfterS);
    return "over";
  }

  #left(): "over" {
    this.account.left();
    return "over";
  }

  /** Whether a break would be mended by token ids. */
  get #wantsIds(): boolean {
    const { api, stream, choices, model } = this.request;
    return stream && choices === 1 && (api === "chat" || api === "completions") &&
      resumeModeOf(this.config.resume, model) !== "off";
  }
}

/** A server that takes no options that it does not know: it is asked once more without. */
function refusesIds(proof: Proof, ask: Ask, instance: Instance): boolean {
  return ask instanceof FirstAsk && ask.asksForIds(instance.config) && proof.kind === "whole" &&
    (proof.head.status === 400 || proof.head.status === 422) &&
    readError(proof.body, proof.head.status).message.includes("return_token_ids");
}

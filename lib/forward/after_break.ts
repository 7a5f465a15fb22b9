// What follows where an answer has broken off: what is asked for next, of whom, how long somebody is waited for,
// and the end, with which the client has either all of it or the words why not. One for each request that broke.

import type { Instance } from "../pool/instance.ts";
import type { Account } from "./account.ts";
import type { Ask } from "./ask.ts";
import type { Attempt } from "./attempt.ts";
import type { ClientStream } from "./client_stream.ts";
import { HiddenUsage } from "./hidden_usage.ts";
import type { ForwardRequest } from "./request.ts";
import { endAtLimit } from "./resume/limit.ts";
import type { Next, Resumption } from "./resume/resumption.ts";
import type { NoAnswer } from "./refusal.ts";
import type { Route } from "./route.ts";
import type { StreamEnd } from "./stream_end.ts";
import { streamErrorEvent } from "./stream_error.ts";

/** What is asked for next, or that the client has all that it will get. */
export type Step = Ask | "over";

export interface Broken {
  readonly request: ForwardRequest;
  readonly client: ClientStream;
  readonly account: Account;
  readonly route: Route;
  readonly resumption: Resumption;
  /** Whether usage is asked for that the client is not to see. */
  readonly hidesUsage: boolean;
  /** The error event with which the first instance broke off, in its own words. */
  readonly lastWords: Uint8Array | null;
}

type Break = StreamEnd & { kind: "broken" };

export class AfterBreak {
  /** Ids of instances that have sent an event that cannot be read: a reload makes them anew. */
  #odd: Set<string> | null = null;

  #hasBegun = false;

  constructor(private readonly broken: Broken) {}

  /** The answer broke off at `instance`, after `seen` events. */
  broke(instance: Instance, seen: number, { isOver, isOdd }: Break): Promise<Step> {
    const isOddAgain = isOdd && this.wasOdd(instance);
    if (isOver || isOddAgain) return this.#follow(null);
    if (this.#hasBegun) return this.again(seen);
    this.#hasBegun = true;
    this.broken.client.detach();
    return this.#follow(this.broken.resumption.begin());
  }

  /** It broke off once more, after `seen` events. */
  again(seen: number): Promise<Step> {
    const { resumption, route } = this.broken;
    const { next, gotOn } = resumption.broke(seen);
    // An answer that gets on may take long: who broke it earlier may be well again by now.
    if (gotOn) route.forgetEarlier();
    return this.#follow(next);
  }

  /** Nobody is asked any more. */
  async stop({ status, message }: NoAnswer): Promise<Step> {
    const { account, client, request } = this.broken;
    account.end("truncated", account.status, message);
    await client.endWithError(streamErrorEvent(request.api, status, message));
    return "over";
  }

  /** A way is closed at this instance: another may be open there, and where none is, another instance. */
  otherwise(instance: Instance): Promise<Step> {
    const { resumption, route } = this.broken;
    const next = resumption.otherWay();
    if (next === null && route.hasOther(instance)) return this.#follow(resumption.anew());
    route.forget(instance);
    return this.#follow(next);
  }

  /** Nobody can be asked for what is missing now. */
  async waited(ask: Ask, random: number): Promise<Step> {
    const { resumption, route } = this.broken;
    const waitMs = resumption.nextWaitMs(performance.now(), random);
    if (waitMs === null) return await this.#follow(null);
    return await route.waitForReturn(waitMs) ? ask : this.#left();
  }

  /** Whether it could go on at the very token if it broke off once more. */
  get mayBreak(): boolean {
    return this.broken.resumption.mayBreak;
  }

  /** The instance sent what cannot be read. True where it did so before: so it does because of what it is asked. */
  wasOdd({ config: { id } }: Instance): boolean {
    const odd = this.#odd ??= new Set();
    if (odd.has(id)) return true;
    odd.add(id);
    return false;
  }

  /** An instance has added to the answer. */
  goesOn(instance: Instance, { way }: Ask): void {
    const { account, resumption } = this.broken;
    account.goesOn(instance.name, way!, resumption.charsSent);
  }

  /** The answer had ended but for its last events, which nobody has to be asked for. */
  async finish(attempt: Attempt, ask: Ask, events: Uint8Array): Promise<Step> {
    const { account, client, hidesUsage } = this.broken;
    attempt.end("answered", "neutral");
    this.goesOn(attempt.instance, ask);
    account.end("complete", account.status);
    await this.#close(hidesUsage ? new HiddenUsage(client).take(events) : events);
    return client.gone ? this.#left() : "over";
  }

  /** What is asked for next, or the end where that is nothing. */
  async #follow(next: Next): Promise<Step> {
    const { account, client, request, resumption, lastWords } = this.broken;
    const { status } = account;
    if (client.gone) return this.#left();
    if (next === "limit") {
      const { answer, tokens } = resumption.sent;
      account.goesOn(account.instance, "limit", tokens);
      account.end("complete", status);
      await this.#close(endAtLimit(request.api!, answer));
      return "over";
    }
    if (next !== null) return next;
    const { error } = account;
    account.end("truncated", status, error);
    const words = lastWords ?? streamErrorEvent(request.api, 502, `The answer broke off. ${error}`);
    await client.endWithError(words);
    return "over";
  }

  async #close(events: Uint8Array): Promise<void> {
    const { client } = this.broken;
    client.keep(events);
    client.onEnding?.();
    await client.write(events);
    await client.end();
  }

  #left(): "over" {
    this.broken.account.left();
    return "over";
  }
}

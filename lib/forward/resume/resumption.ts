// What is asked for after an answer broke off, one thing after the other, until nothing safe is left. Which
// ways are safe is told by plan.ts; who is asked is left to route.ts.

import { assemble } from "../../sse/assemble/assemble.ts";
import type { Json } from "../../sse/assemble/answer.ts";
import { CLOSELY, inspect, PLAIN, USAGE } from "../../sse/scan.ts";
import type { Api } from "../../api/api.ts";
import { dialectOf } from "../../api/dialects.ts";
import type { Pool } from "../../pool/pool.ts";
import type { Ask } from "../ask.ts";
import type { ClientStream } from "../client_stream.ts";
import type { ForwardRequest } from "../request.ts";
import type { Stage } from "../stage.ts";
import { MendStage } from "./mend.ts";
import { continuation, parseRequest, requestBytes, type ResumeWay, resumeWays } from "./plan.ts";
import type { Sent } from "./plan.ts";
import { exactContinuation, type TokenIds } from "./token_ids.ts";

/** Stretches of one answer that may break off, and how many of them where the one before did. */
const MAX_STRETCHES = 12;
const MAX_VAIN_STRETCHES = 3;
/** Events; an answer that breaks again within so many has met what kills it, wherever it is asked. */
const LITTLE = 8;

/** The next ask; "limit": all tokens that were allowed have been sent, only the end is missing. */
export type Next = Ask | "limit" | null;

export class Resumption {
  #stretches = 0;
  #vain = 0;
  /** The way that is being tried, and those that are left after it. */
  #ask: Ask | null = null;
  #ways: ResumeWay[] = [];
  #request: Json | null = null;
  #sent: Sent | null = null;
  /** Events that the client had when the ways were planned. */
  #before = 0;

  constructor(
    private readonly request: ForwardRequest,
    private readonly client: ClientStream,
    private readonly pool: Pool,
    /** The token ids of the answer so far, where they were asked for. */
    private readonly ids: TokenIds | null,
  ) {}

  /** What the client has, as it was when the answer broke off last. */
  get sent(): Sent {
    return this.#sent!;
  }

  /** Characters of the answer that the client had when it broke off last. */
  get charsSent(): number {
    return this.sent.answer.choices[0]?.message.content?.length ?? 0;
  }

  /** The answer to the client's own request broke off. */
  begin(): Next {
    const { store } = this.client;
    if (store === null || store.truncated || this.request.api === null) return null;
    this.#request = parseRequest(this.request.body);
    return this.#request === null ? null : this.#plan();
  }

  /** A stretch broke off after `seen` events that its instance sent. True when much has come since. */
  broke(seen: number): { next: Next; gotOn: boolean } {
    const added = this.client.store!.count - this.#before;
    this.#stretches++;
    const { way } = this.#ask!;
    // A replay sees the earlier events again.
    const atTheSamePlace = added < LITTLE && (way !== "replay" || seen > this.#before - LITTLE);
    if (atTheSamePlace) this.#vain++;
    if (this.#isOver) return { next: null, gotOn: false };
    return { next: added > 0 ? this.#plan() : this.#ask, gotOn: !atTheSamePlace };
  }

  /** The way is closed: nobody can be asked, or what came was another answer. */
  otherWay(): Next {
    if (this.#isOver) return null;
    for (let way = this.#ways.shift(); way !== undefined; way = this.#ways.shift()) {
      const body = this.#bodyOf(way);
      if (body === null) return "limit";
      if (body === "unknown") continue;
      return this.#ask = new ResumeAsk(way, body, this.request, this.sent);
    }
    return null;
  }

  /** An answer may break off many times on its way, few times at one place. */
  get #isOver(): boolean {
    return this.#stretches >= MAX_STRETCHES || this.#vain >= MAX_VAIN_STRETCHES;
  }

  #plan(): Next {
    const { request, client, ids } = this;
    const store = client.store!;
    const answer = assemble(dialectOf(request.api!).assembler(), store);
    let tokens = 0;
    for (const event of store.events()) {
      if ((inspect(event, 0, event.length) & ~(USAGE | CLOSELY)) === PLAIN) tokens++;
    }
    this.#before = store.count;
    this.#sent = { answer, tokens, events: () => store.events(), ids };
    this.#ways = resumeWays(request.api, this.#request!, request.choices, this.#sent);
    return this.otherWay();
  }

  /** What is asked; null when nothing is left to ask for, "unknown" when the way is closed. */
  #bodyOf(way: ResumeWay): Json | null | "unknown" {
    const request = this.#request!;
    switch (way) {
      case "exact":
        return exactContinuation(this.request.api!, request, this.sent.ids!, this.#shortestContext);
      case "continue":
        return continuation(this.request.api!, request, this.sent);
      case "replay":
        return request;
    }
  }

  get #shortestContext(): number | null {
    const lengths = this.pool.privateInstances.map((instance) => instance.contextLength)
      .filter((length) => length !== null);
    return lengths.length === 0 ? null : Math.min(...lengths);
  }
}

/** Asks for the rest of an answer. */
class ResumeAsk implements Ask {
  readonly target: string;
  readonly api: Api;
  /** Token ids of the answer that are in its prompt; those behind come again. */
  readonly #given: number;

  constructor(
    readonly way: ResumeWay,
    private readonly json: Json,
    private readonly request: ForwardRequest,
    private readonly sent: Sent,
  ) {
    this.target = way === "exact" ? "/v1/completions" : request.target;
    this.api = way === "exact" ? "completions" : request.api!;
    this.#given = sent.ids?.shown ?? 0;
  }

  body(upstreamModel: string | undefined): readonly Uint8Array[] {
    return [requestBytes(this.json, upstreamModel)];
  }

  ids(): TokenIds | null {
    if (this.way !== "exact") return null;
    this.sent.ids!.cutBack(this.#given);
    return this.sent.ids;
  }

  stages(): readonly Stage[] {
    return [new MendStage(this.way, this.request.api!, this.sent, this.#given)];
  }
}

// What is asked for after an answer broke off, one thing after the other, until nothing safe is left. Which
// ways are safe is told by plan.ts; who is asked is left to route.ts.

import type { Api } from "../../api/api.ts";
import type { ResumeWay } from "../../api/dialect.ts";
import { dialectOf } from "../../api/dialects.ts";
import { eventsIn } from "../../api/wire.ts";
import { assemble } from "../../sse/assemble/assemble.ts";
import type { Json } from "../../json/json.ts";
import type { EventStore } from "../../sse/event_store.ts";
import { CLOSELY, inspect, PLAIN, USAGE } from "../../sse/scan.ts";
import type { Ask } from "../ask.ts";
import type { ClientStream } from "../client_stream.ts";
import { askingForUsage } from "../hidden_usage.ts";
import type { ForwardRequest } from "../request.ts";
import type { Stage } from "../stage.ts";
import { TokensAsk } from "./from_tokens.ts";
import { MendStage } from "./mend.ts";
import { continuation, mayContinueText, resumeWays, type Sent } from "./plan.ts";
import { parseRequest, requestBytes } from "./request_json.ts";
import type { ResumeRules } from "./rules.ts";
import type { TokenIds } from "./token_ids.ts";

/** Stretches of one answer that may break off, and how many of them where the one before did. */
const MAX_STRETCHES = 12;
const MAX_VAIN_STRETCHES = 3;
/** Events; an answer that breaks again within so many has met what kills it, wherever it is asked. */
const LITTLE = 8;
/**
 * The same of one that is told anew and breaks where it broke before. It takes as long to come there as at first, so
 * that a few instances that die one after the other can well meet it there.
 */
const LITTLE_ANEW = 3;

/** Instances at which all ways may be closed before an answer is given up, but for one. */
const MAX_ANEW = 2;

/** How often an instance that can go on is looked for: soon at first, then once a second. */
const FIRST_WAIT_MS = 200;
const MAX_WAIT_MS = 1000;

/** The next ask; "limit": all tokens that were allowed have been sent, only the end is missing. */
export type Next = Ask | "limit" | null;

export class Resumption {
  #stretches = 0;
  #vain = 0;
  #anews = 0;
  /** The ask that is being tried, and those that are left after it. */
  #ask: Ask | null = null;
  #asks: (() => Next)[] = [];
  #request: Json | null = null;
  #sent: Sent | null = null;
  /** Events that the client had when the ways were planned. */
  #before = 0;
  /** performance.now() at which the waiting is over, and how long the next wait is. */
  #patientUntil = 0;
  #waitMs = FIRST_WAIT_MS;

  constructor(
    private readonly request: ForwardRequest,
    private readonly client: ClientStream,
    private readonly rules: ResumeRules,
    /** The token ids of the answer so far, where they were asked for. */
    private ids: TokenIds | null,
    /** Whether the rest has to say what it took, unseen by the client. */
    private readonly asksUsage: boolean,
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
    const request = parseRequest(this.request.body);
    if (request === null) return null;
    this.#request = this.asksUsage ? askingForUsage(request) : request;
    return this.#plan();
  }

  /** A stretch broke off after `seen` events that its instance sent. True when much has come since. */
  broke(seen: number): { next: Next; gotOn: boolean } {
    const added = this.client.store!.count - this.#before;
    this.#stretches++;
    const { way } = this.#ask!;
    // Ids of the first stream do not tell of text that came in another way.
    if (added > 0 && way !== "exact") this.ids = null;
    // A replay sees the earlier events again.
    const atTheSamePlace = way === "replay"
      ? added < LITTLE_ANEW && seen > this.#before - LITTLE_ANEW
      : added < LITTLE;
    if (atTheSamePlace) this.#vain++;
    if (this.#isOver) return { next: null, gotOn: false };
    return { next: added > 0 ? this.#plan() : this.#ask, gotOn: !atTheSamePlace };
  }

  /** The way is closed: nobody can be asked, or what came was another answer. */
  otherWay(): Next {
    if (this.#isOver) return null;
    const next = this.#asks.shift()?.() ?? null;
    if (next !== "limit") this.#ask = next;
    return next;
  }

  /** All ways are closed at one instance: they are tried at another, a few times. */
  anew(): Next {
    return this.#isOver || this.#anews++ >= MAX_ANEW ? null : this.#plan();
  }

  /**
   * Nobody can be asked: how long to wait before looking again; null once patience is over. `random`, from
   * 0 to 1, keeps streams that broke together from looking together.
   */
  nextWaitMs(now: number, random: number): number | null {
    const leftMs = this.#patientUntil - now;
    if (leftMs <= 0) return null;
    const waitMs = Math.min(this.#waitMs * (0.5 + random), leftMs);
    this.#waitMs = Math.min(this.#waitMs * 2, MAX_WAIT_MS);
    return waitMs;
  }

  /** Whether it could go on at the very token if it broke off here: asked of a stream that may as well stay. */
  get mayBreak(): boolean {
    return this.#ask?.way === "exact" && this.#stretches + 1 < MAX_STRETCHES &&
      this.#vain + 1 < MAX_VAIN_STRETCHES;
  }

  /** An answer may break off many times on its way, few times at one place. */
  get #isOver(): boolean {
    return this.#stretches >= MAX_STRETCHES || this.#vain >= MAX_VAIN_STRETCHES;
  }

  #plan(): Next {
    const { request, client, ids } = this;
    const api = request.api!;
    const store = client.store!;
    const answer = assemble(dialectOf(api).assembler(), store);
    let tokens = ids?.answer.length ?? 0;
    if (tokens === 0) tokens = tokenEvents(api, store);
    this.#before = store.count;
    this.#patientUntil = performance.now() + this.rules.patienceS * 1000;
    this.#waitMs = FIRST_WAIT_MS;
    this.#sent = { answer, tokens, events: () => store.events(), ids };
    this.#asks = resumeWays(api, this.#request!, request.choices, this.rules.mode, this.#sent)
      .flatMap((way) => this.#asksBy(way, api));
    return this.otherWay();
  }

  /** What a way asks for, best first. */
  #asksBy(way: ResumeWay, api: Api): (() => Next)[] {
    const request = this.#request!;
    const { sent } = this;
    const broken = { api, request, sent, ...this.rules };
    switch (way) {
      case "exact":
        return [() => new TokensAsk("exact", broken)];
      case "continue": {
        const byTokens = () => new TokensAsk("continue", broken);
        if (!mayContinueText(api, request, sent)) return api === "completions" ? [] : [byTokens];
        return [() => {
          const body = continuation(api, request, sent);
          return body === null
            ? "limit"
            : new TextAsk("continue", body, this.request, request, sent);
        }];
      }
      case "replay":
        return [() => new TextAsk("replay", request, this.request, request, sent)];
    }
  }
}

/** Events that carry text, each of which is a token or several. */
function tokenEvents(api: Api, store: EventStore): number {
  let count = 0;
  if (api === "chat" || api === "completions") {
    for (const event of store.events()) {
      if ((inspect(event, 0, event.length) & ~(USAGE | CLOSELY)) === PLAIN) count++;
    }
    return count;
  }
  for (const { data, name } of eventsIn(store.events())) {
    if (dialectOf(api).texts(data, name).some(({ text, repeats }) => text !== "" && !repeats)) {
      count++;
    }
  }
  return count;
}

/** Asks the client's own API for the rest of an answer, or for all of it once more. */
class TextAsk implements Ask {
  readonly target: string;
  readonly api: Api;

  constructor(
    readonly way: "continue" | "replay",
    private readonly json: Json,
    private readonly request: ForwardRequest,
    /** What the client has asked for. */
    private readonly asked: Json,
    private readonly sent: Sent,
  ) {
    this.target = request.target;
    this.api = request.api!;
  }

  body(_instance: unknown, upstreamModel: string | undefined): readonly Uint8Array[] {
    return [requestBytes(this.json, upstreamModel)];
  }

  ids(): null {
    return null;
  }

  /** It is left out behind the stages that mend. */
  hidesUsage(): boolean {
    return false;
  }

  stages(): readonly Stage[] {
    return [new MendStage(this.way, this.request.api!, this.asked, this.sent)];
  }
}

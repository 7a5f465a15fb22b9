// Goes on with an answer whose instance died in the middle of the stream: on another instance, in the
// same client stream, nothing lost and nothing doubled. What is safe is decided in resume_plan.ts.

import { assemble } from "../sse/assemble/assemble.ts";
import type { Json } from "../sse/assemble/answer.ts";
import type { EventStore } from "../sse/event_store.ts";
import { parseEvents } from "../sse/parse.ts";
import { CLOSELY, inspect, PLAIN, USAGE } from "../sse/scan.ts";
import { type Attempt, type AttemptResult, explainError } from "./attempt.ts";
import type { Exchange } from "./failover.ts";
import type { AttemptLog } from "./request.ts";
import {
  continuation,
  parseRequest,
  requestBytes,
  type ResumeWay,
  resumeWays,
  type Sent,
} from "./resume_plan.ts";
import { mend, type Mender, menderFor } from "./stream_mend.ts";
import { exactContinuation, type TokenIds } from "./token_ids.ts";

/** Stretches of one answer that may break off, and how many of them where the one before did. */
const MAX_STRETCHES = 12;
const MAX_VAIN_STRETCHES = 3;
/** Events; an answer that breaks again within so many has met what kills it, wherever it is asked. */
const LITTLE = 8;

const encoder = new TextEncoder();

/** How the resumed stream ended for the client. */
type Ending = "complete" | "gone" | "refused" | Broken;

interface Broken {
  /** Events that the instance sent before it broke off; null when it never began. */
  seen: number | null;
}

/**
 * Tries to bring the answer to its end; true when the client has all of it or has left. `store` holds
 * every event that was sent, and gets those that still are.
 */
export async function resume(
  exchange: Exchange,
  store: EventStore | null,
  ids: TokenIds | null,
): Promise<boolean> {
  const { request, account } = exchange;
  if (exchange.resumeMode === "off" || store === null || store.truncated || request.api === null) {
    return false;
  }
  const patience = new Patience(exchange);
  while (!patience.isOver) {
    const ending = await resumeOnce(exchange, store, ids, patience);
    if (ending === null) return false;
    if (ending === "complete") {
      account.outcome = "complete";
      account.error = "";
      return true;
    }
    if (ending === "gone") {
      account.outcome = "aborted";
      account.error = "the client left";
      return true;
    }
  }
  return false;
}

/** How often an answer may break off again: many times on its way, few times at one place. */
class Patience {
  #stretches = 0;
  #vain = 0;

  constructor(private readonly exchange: Exchange) {}

  get isOver(): boolean {
    return this.#stretches >= MAX_STRETCHES || this.#vain >= MAX_VAIN_STRETCHES;
  }

  /**
   * A stretch broke off after `seen` events and had brought `added` of them to the client, who had
   * `before`. A replay sees the earlier ones again.
   */
  spend(way: ResumeWay, seen: number, added: number, before: number): void {
    this.#stretches++;
    const atTheSamePlace = added < LITTLE && (way !== "replay" || seen > before - LITTLE);
    if (atTheSamePlace) this.#vain++;
    // An answer that gets on may take long: who broke it earlier may be well again by now.
    else this.exchange.forgetEarlier();
  }
}

/** Brings the answer further on one instance; null when no way is left. */
async function resumeOnce(
  exchange: Exchange,
  store: EventStore,
  ids: TokenIds | null,
  patience: Patience,
): Promise<"complete" | "gone" | "broken" | null> {
  const { request } = exchange;
  const asked = parseRequest(request.body);
  if (asked === null) return null;
  const before = store.count;
  const sent = { ...sentSoFar(exchange, store), ids };
  for (const way of resumeWays(request.api, asked, request.choices, sent)) {
    const body = bodyOf(way, exchange, asked, sent);
    if (body === "unknown") continue;
    if (body === null) return await endAtLimit(exchange, store, sent);
    while (!patience.isOver) {
      const next = await exchange.nextLease();
      if (next.kind === "gone") return "gone";
      if (next.kind !== "lease") break;
      const { instance } = next.lease;
      const attempt = exchange.begin(next.lease);
      try {
        const result = await attempt.run(
          (upstreamModel) => requestBytes(body, upstreamModel),
          way === "exact" ? "/v1/completions" : undefined,
        );
        const ending = await stretch(
          exchange,
          attempt,
          result,
          menderFor(way, request.api!, sent),
          { store, way, sent },
        );
        if (ending === "complete" || ending === "gone") return ending;
        if (ending === "refused") {
          // Another way may still work on this very instance.
          exchange.forget(instance);
          break;
        }
        const { seen } = ending;
        if (seen === null) continue;
        const added = store.count - before;
        patience.spend(way, seen, added, before);
        if (added > 0) return "broken";
      } finally {
        attempt.close();
        next.lease.release("neutral");
        exchange.endTrace(attempt);
      }
    }
  }
  return null;
}

/** What an instance is asked; null when nothing is left to ask for, "unknown" when the way is closed. */
function bodyOf(
  way: ResumeWay,
  { request, pool }: Exchange,
  asked: Json,
  sent: Sent,
): Json | null | "unknown" {
  switch (way) {
    case "exact": {
      const lengths = pool.privateInstances.map((instance) => instance.contextLength)
        .filter((length) => length !== null);
      const shortest = lengths.length === 0 ? null : Math.min(...lengths);
      return exactContinuation(request.api!, asked, sent.ids!, shortest);
    }
    case "continue":
      return continuation(request.api!, asked, sent);
    case "replay":
      return asked;
  }
}

function sentSoFar(exchange: Exchange, store: EventStore): Omit<Sent, "ids"> {
  let tokens = 0;
  for (const event of store.events()) {
    if ((inspect(event, 0, event.length) & ~(USAGE | CLOSELY)) === PLAIN) tokens++;
  }
  return {
    answer: assemble(exchange.request.api!, store),
    tokens,
    events: () => store.events(),
  };
}

interface Seam {
  store: EventStore;
  way: ResumeWay;
  sent: Sent;
}

/** Relays what one instance adds. */
async function stretch(
  exchange: Exchange,
  attempt: Attempt,
  result: AttemptResult,
  mender: Mender,
  seam: Seam,
): Promise<Ending> {
  const { account, reply, request } = exchange;
  const { lease, instance } = attempt;
  if (result.kind === "gone") {
    account.attempts.push({
      instance: instance.name,
      outcome: "aborted",
      error: "the client left",
    });
    return "gone";
  }
  if (result.kind === "failed") {
    exchange.gaveNothing(instance, result.failure);
    lease.release(result.failure.kind === "busy" ? "neutral" : "failure", result.failure.message);
    return { seen: null };
  }
  const log: AttemptLog = {
    instance: instance.name,
    outcome: "answered",
    status: result.head.status,
  };
  account.attempts.push(log);
  if (result.kind !== "events" || result.ended) {
    lease.release("neutral");
    log.outcome = "unusable";
    return "refused";
  }
  const from = account.instance;
  let begun = false;
  let seen = 0;
  const pass = async (events: Uint8Array): Promise<boolean> => {
    for (const { data, event } of parseEvents(events)) {
      seen++;
      const text = mend(mender, data, event);
      if (text === "disagrees") return false;
      if (text === null) continue;
      if (!begun) {
        begun = true;
        account.instance = instance.name;
        account.resumed.push({
          from,
          to: instance.name,
          way: seam.way,
          atChars: seam.sent.answer.choices[0]?.message.content?.length ?? 0,
        });
      }
      const bytes = encoder.encode(text);
      seam.store.push(bytes, 0, bytes.length);
      await reply.write(bytes);
    }
    return true;
  };
  const { observer } = result;
  let broken: string | null = null;
  try {
    let agrees = await pass(result.first);
    while (agrees && observer.fault === null) {
      const piece = await attempt.read();
      if (piece === null) break;
      agrees = await pass(observer.take(piece));
    }
    if (!agrees) {
      lease.release("neutral");
      log.outcome = "unusable";
      log.error = "its answer differs from the part already sent";
      return begun ? { seen } : "refused";
    }
  } catch (error) {
    if (request.client.gone) return "gone";
    const failure = explainError(error);
    exchange.brokeOff(instance, failure);
    broken = failure.message;
  }
  if (request.client.gone) return "gone";
  if (observer.isComplete && observer.pending === 0 && mender.caughtUp) {
    lease.release("success");
    account.usage = observer.usage ?? account.usage;
    account.pieces = observer.pieces + (seam.way === "replay" ? 0 : account.pieces);
    await reply.end();
    return "complete";
  }
  broken ??= observer.fault?.message ?? "it ended the stream before the answer was whole";
  lease.release("failure", broken);
  log.outcome = "broken";
  log.error = broken;
  account.error = `${instance.name}: ${broken}`;
  return { seen };
}

/** All tokens that were allowed had been sent; only the end is missing. */
async function endAtLimit(
  exchange: Exchange,
  store: EventStore,
  { answer, tokens }: Sent,
): Promise<"complete"> {
  const { request, reply, account } = exchange;
  const chat = request.api === "chat";
  const chunk = {
    id: answer.id,
    object: chat ? "chat.completion.chunk" : "text_completion",
    created: answer.created,
    model: answer.model,
    choices: [
      chat
        ? { index: 0, delta: {}, logprobs: null, finish_reason: "length", stop_reason: null }
        : { index: 0, text: "", logprobs: null, finish_reason: "length", stop_reason: null },
    ],
  };
  const last = encoder.encode(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`);
  for (const event of [last.subarray(0, last.length - 14), last.subarray(last.length - 14)]) {
    store.push(event, 0, event.length);
  }
  account.resumed.push({
    from: account.instance,
    to: account.instance,
    way: "limit",
    atChars: tokens,
  });
  await reply.write(last);
  await reply.end();
  return "complete";
}

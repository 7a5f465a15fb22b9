// From a proven answer to the client: whole bodies in one write, streams piece by piece without
// touching them. A stream that breaks is resumed or ends honestly; which of the two is decided here.

import type { Attempt, AttemptResult } from "./attempt.ts";
import { explainError, type Failure, messageIn } from "./attempt.ts";
import type { Exchange } from "./failover.ts";
import { resume } from "./resume.ts";
import { responseHeaders } from "./header_rules.ts";
import { usageIn } from "./sse_observer.ts";
import { streamErrorEvent } from "./stream_error.ts";
import { joined } from "../http/joined.ts";
import { latin1Text } from "../http/latin1.ts";
import { header } from "../http/message.ts";

type Answer = Extract<AttemptResult, { kind: "whole" | "events" | "bytes" }>;

/**
 * Hands the answer over and closes the account. `attempt` is null for one that was kept from before,
 * whose instance the account names then.
 */
export async function relay(
  exchange: Exchange,
  attempt: Attempt | null,
  answer: Answer,
): Promise<void> {
  const { account, keepAlive } = exchange;
  if (attempt !== null) account.instance = attempt.instance.name;
  account.status = answer.head.status;
  if (exchange.request.api === "responses" && attempt !== null && answer.kind !== "bytes") {
    // Before the client knows the id, and can ask another worker for it.
    const bytes = answer.kind === "whole" ? answer.body : answer.first;
    exchange.parts.noteStored(bytes, attempt.instance);
  }
  await keepAlive.stopAndSettle();
  if (answer.kind === "events") return await relayEvents(exchange, attempt!, answer);
  if (exchange.reply.begun) return await relayAsError(exchange, attempt, answer);
  if (answer.kind === "whole") return await relayWhole(exchange, attempt, answer);
  return await relayBytes(exchange, attempt!, answer);
}

/** A comment has already opened a stream; an answer that is none can only be an error in it now. */
async function relayAsError(
  exchange: Exchange,
  attempt: Attempt | null,
  answer: Exclude<Answer, { kind: "events" }>,
): Promise<void> {
  const { account, reply, request } = exchange;
  const { status } = answer.head;
  const isAnswer = status < 400;
  attempt?.lease.release("neutral");
  account.outcome = isAnswer ? "failed" : "rejected";
  account.error = isAnswer
    ? "it did not answer with a stream of events"
    : messageIn(answer.kind === "whole" ? answer.body : joined(answer.first));
  account.firstByteAt = performance.now();
  await reply.write(streamErrorEvent(request.api, isAnswer ? 502 : status, account.error));
  await reply.end();
}

async function relayWhole(
  exchange: Exchange,
  attempt: Attempt | null,
  { head, body }: Answer & { kind: "whole" },
): Promise<void> {
  const { account, reply, request } = exchange;
  account.response = body;
  account.outcome = head.status < 400 ? "complete" : "rejected";
  attempt?.lease.release(head.status < 400 ? "success" : "neutral");
  account.firstByteAt = performance.now();
  const headers = responseHeaders(head.headers, request.id, account.instance);
  await reply.send(head.status, headers, body);
  if (request.client.gone) account.outcome = "aborted";
  if (request.api !== null) account.usage = usageOfBody(body);
}

/** Usage stands near the end of a body; only its tail is looked at. */
function usageOfBody(body: Uint8Array) {
  const tail = latin1Text(body, Math.max(0, body.length - 2048), body.length);
  const at = tail.lastIndexOf('"usage"');
  return at < 0 ? null : usageIn(tail.slice(at));
}

async function relayEvents(
  exchange: Exchange,
  attempt: Attempt,
  { head, observer, first, ended }: Answer & { kind: "events" },
): Promise<void> {
  const { account, reply, request } = exchange;
  account.streamed = true;
  account.response = observer.store;
  if (!reply.begun) {
    reply.begin(head.status, responseHeaders(head.headers, request.id, account.instance), null);
  }
  account.firstByteAt = performance.now();
  let failure: Failure | null = null;
  try {
    await reply.write(first);
    if (!ended) await attempt.relay(observer, reply);
  } catch (error) {
    if (!request.client.gone) failure = explainError(error);
  }
  account.usage = observer.usage;
  account.pieces = observer.pieces;
  if (request.client.gone) {
    account.outcome = "aborted";
    account.error = "the client left";
    return attempt.lease.release("neutral");
  }
  if (ended) {
    account.outcome = "rejected";
    attempt.lease.release("neutral");
    return await reply.end();
  }
  // An answer that had ended is whole, even when the connection then broke.
  if (observer.isComplete && observer.pending === 0) {
    account.outcome = "complete";
    attempt.lease.release("success");
    return await reply.end();
  }
  const broken = observer.fault?.message ?? failure?.message ??
    "it ended the stream before the answer was whole";
  if (failure !== null) exchange.brokeOff(attempt.instance, failure);
  attempt.lease.release("failure", broken);
  const last = account.attempts.at(-1)!;
  last.outcome = "broken";
  last.error = broken;
  account.error = `${account.instance}: ${broken}`;
  attempt.close(new Error("the instance gave up"));
  exchange.endTrace(attempt);
  if (await resume(exchange, observer.store, attempt.tokenIds)) return;
  if (request.client.gone) {
    account.outcome = "aborted";
    return;
  }
  await endHonestly(exchange, observer.fault?.event ?? null);
}

/** The stream cannot be saved: an error event, no `[DONE]`. */
async function endHonestly(exchange: Exchange, instancesOwn: Uint8Array | null): Promise<void> {
  const { account, reply, request } = exchange;
  account.outcome = "truncated";
  await reply.write(
    instancesOwn ??
      streamErrorEvent(request.api, 502, `The answer broke off. ${account.error}`),
  );
  await reply.end();
}

async function relayBytes(
  exchange: Exchange,
  attempt: Attempt,
  { head, first, ended }: Answer & { kind: "bytes" },
): Promise<void> {
  const { account, reply, request } = exchange;
  const length = header(head.headers, "content-length");
  account.firstByteAt = performance.now();
  reply.begin(
    head.status,
    responseHeaders(head.headers, request.id, account.instance),
    length === undefined ? null : Number(length),
  );
  try {
    for (const piece of first) await reply.write(piece);
    while (!ended) {
      const piece = await attempt.read();
      if (piece === null) break;
      await reply.write(piece);
    }
  } catch (error) {
    if (!request.client.gone) {
      const { message } = explainError(error);
      account.outcome = "truncated";
      account.error = message;
      account.attempts.at(-1)!.outcome = "broken";
      attempt.lease.release("failure", message);
      return reply.cut();
    }
  }
  if (request.client.gone) {
    account.outcome = "aborted";
    return attempt.lease.release("neutral");
  }
  account.outcome = head.status < 400 ? "complete" : "rejected";
  attempt.lease.release(head.status < 400 ? "success" : "neutral");
  await reply.end();
}

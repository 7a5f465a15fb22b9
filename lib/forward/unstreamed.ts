// An answer that is no stream of events, on its way to the client: a whole body, or bytes that nobody reads.

import { readError } from "../api/error.ts";
import { joined } from "../http/joined.ts";
import { isWithheld } from "../policy/unread.ts";
import type { Instance } from "../pool/instance.ts";
import type { LeaseOutcome } from "../pool/outlier.ts";
import type { Account } from "./account.ts";
import type { Attempt } from "./attempt.ts";
import type { Proof } from "./attempt/proof.ts";
import type { ClientStream } from "./client_stream.ts";
import { leaseOutcome } from "./failure.ts";
import type { ForwardRequest } from "./request.ts";
import { streamErrorEvent } from "./stream_error.ts";

type Whole = Proof & { kind: "whole" };
type Bytes = Proof & { kind: "bytes" };

export interface KeptAnswer {
  readonly instance: Instance;
  readonly answer: Whole;
}

/** An answer that `attempt` has got. */
export function deliver(
  attempt: Attempt,
  proof: Whole | Bytes,
  request: ForwardRequest,
  client: ClientStream,
  account: Account,
): Promise<"over"> {
  if (client.begun) return tooLate(attempt, proof, request, client, account);
  return proof.kind === "whole"
    ? whole(attempt, proof, client, account)
    : bytes(attempt, proof, request, client, account);
}

/** Words of an instance that were kept while others were asked: its attempt is over. */
export function deliverKept(
  { instance, answer }: KeptAnswer,
  request: ForwardRequest,
  client: ClientStream,
  account: Account,
): Promise<"over"> {
  account.answeredBy(instance.name, answer.head.status);
  return client.begun
    ? tooLate(null, answer, request, client, account)
    : whole(null, answer, client, account);
}

async function whole(
  attempt: Attempt | null,
  { head, body, parsed }: Whole,
  client: ClientStream,
  account: Account,
): Promise<"over"> {
  const isAnswer = head.status < 400;
  if (attempt !== null) attempt.end("answered", outcomeOf(head.status));
  if (isAnswer) account.end("complete", head.status);
  else account.end("rejected", head.status, readError(body, head.status).message);
  await client.whole(head, account.instance, body, parsed);
  if (isAnswer && client.isCut) account.end("filtered", head.status);
  if (client.gone) account.left();
  return "over";
}

/** A redirect, or the client's own error, tells nothing of the instance's health. */
function outcomeOf(status: number): LeaseOutcome {
  return status < 300 ? "success" : "neutral";
}

async function bytes(
  attempt: Attempt,
  proof: Bytes,
  { policed, api }: ForwardRequest,
  client: ClientStream,
  account: Account,
): Promise<"over"> {
  const { status } = proof.head;
  if (status < 400 && api !== null && policed !== null && isWithheld(policed)) {
    return await withhold(attempt, client, account);
  }
  await client.openBytes(proof.head, account.instance);
  try {
    await attempt.relayBytes(proof, client);
  } catch (error) {
    if (!client.gone) {
      const { message, kind } = attempt.explain(error);
      attempt.end("broken", leaseOutcome(kind), message);
      account.end("truncated", status, message);
      client.cut();
      return "over";
    }
  }
  if (client.gone) {
    attempt.end("answered", "neutral");
    account.left();
    return "over";
  }
  const isAnswer = status < 400;
  attempt.end("answered", outcomeOf(status));
  if (isAnswer) account.end("complete", status);
  else account.end("rejected", status, readError(joined(proof.first), status).message);
  await client.end();
  return "over";
}

async function withhold(
  attempt: Attempt,
  client: ClientStream,
  account: Account,
): Promise<"over"> {
  const message = "The answer is coded or too long for the policies that must look at it";
  attempt.end("answered", "neutral", message);
  account.end("failed", 502, message);
  await client.refuse({ status: 502, message, retryAfterS: null });
  if (client.gone) account.left();
  return "over";
}

/** A comment has already opened a stream; an answer that is none can only be an error in it now. */
async function tooLate(
  attempt: Attempt | null,
  proof: Whole | Bytes,
  { api }: ForwardRequest,
  client: ClientStream,
  account: Account,
): Promise<"over"> {
  const { status } = proof.head;
  const isAnswer = status < 400;
  const message = isAnswer
    ? "it did not answer with a stream of events"
    : readError(proof.kind === "whole" ? proof.body : joined(proof.first), status).message;
  if (attempt !== null) attempt.end("answered", "neutral");
  account.end(isAnswer ? "failed" : "rejected", status, message);
  await client.endWithError(streamErrorEvent(api, isAnswer ? 502 : status, message));
  return "over";
}

// What is made of a finished request: its line in the log, its record, and what people are told.

import { header } from "../http/message.ts";
import type { Account, AttemptLog } from "../forward/account.ts";
import type { RequestLine, Try } from "../observe/log.ts";
import { isFailover } from "../observe/tally.ts";
import type { RequestFacts } from "../observe/trace.ts";
import type { Capture } from "../record/capture.ts";
import type { Finished } from "./gateway.ts";
import { routeLabel } from "./routes.ts";

/** The line of one request. */
export function requestLine(finished: Finished, now: number): RequestLine {
  const { account, request } = finished;
  const query = finished.target.indexOf("?");
  const path = query < 0 ? finished.target : finished.target.slice(0, query);
  return {
    id: finished.id,
    method: finished.method,
    path,
    model: request?.model ?? "",
    instance: account.instance === "" ? "-" : account.instance,
    status: account.status,
    outcome: account.outcome,
    attempts: account.attempts.length,
    firstByteMs: account.firstByteAt === null
      ? null
      : tenths(account.firstByteAt - finished.startedAt),
    durationMs: tenths(now - finished.startedAt),
    promptTokens: account.usage?.promptTokens ?? null,
    completionTokens: account.usage?.completionTokens ?? null,
    error: account.error,
    route: routeLabel(path),
    streamed: account.streamed,
    pieces: account.pieces,
    tries: isUsual(account) ? null : account.attempts.map(tryOf),
    resumes: account.resumed,
  };
}

/** One attempt, and it gave the answer. */
function isUsual({ attempts, instance }: Account): boolean {
  return attempts.length === 1 && attempts[0].outcome === "answered" &&
    attempts[0].instance === instance;
}

function tryOf({ instance, outcome }: AttemptLog): Try {
  return { instance, outcome };
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** What the recorder gets; null for requests that are no conversation or were the client's mistake. */
export function captureOf(finished: Finished, now: number): Capture | null {
  const { account, request } = finished;
  if (request === null || request.api === null || account.outcome === "rejected") return null;
  return {
    id: finished.id,
    api: request.api,
    outcome: account.outcome,
    error: account.error === "" ? undefined : account.error,
    model: request.model,
    instance: account.instance,
    requestBody: request.body,
    stream: request.stream,
    status: account.status,
    response: account.response,
    startedAtMs: finished.startedAtMs,
    firstByteMs: account.firstByteAt === null
      ? null
      : tenths(account.firstByteAt - finished.startedAt),
    durationMs: tenths(now - finished.startedAt),
    client: finished.remoteAddress,
    userAgent: header(request.client.headers, "user-agent"),
    attempts: account.attempts,
    resumed: account.resumed.length === 0 ? undefined : account.resumed,
  };
}

/** What the span of a request says at its end. */
export function factsOf({ account, request, startedAt }: Finished): RequestFacts {
  const { firstByteAt, attempts, resumed } = account;
  return {
    model: request?.model ?? null,
    stream: account.streamed,
    outcome: account.outcome,
    status: account.status,
    instance: account.instance,
    attempts: attempts.length,
    resumes: resumed.length,
    firstByteS: firstByteAt === null ? null : (firstByteAt - startedAt) / 1000,
    usage: account.usage,
    error: account.error,
  };
}

/** What a finished request gives reason to tell people. */
export interface Incident {
  kind: "answer_truncated" | "no_instance" | "fallback_in_use";
  subject: string;
  message: string;
}

/** null for the usual request. */
export function incidentOf(
  { account, request }: Finished,
  fallbacks: ReadonlySet<string>,
): Incident | null {
  if (account.outcome === "truncated") {
    return { kind: "answer_truncated", subject: account.instance, message: account.error };
  }
  if (account.outcome === "failed" && request !== null) {
    return { kind: "no_instance", subject: request.model, message: account.error };
  }
  if (account.instance !== "" && fallbacks.has(account.instance)) {
    const message = `model ${request?.model} is answered by a fallback instance`;
    return { kind: "fallback_in_use", subject: account.instance, message };
  }
  return null;
}

/** What a finished request tells about the fleet, though its client noticed nothing. */
export interface Note {
  kind: "failover" | "resume";
  /** The instance that failed. */
  subject: string;
  message: string;
}

/** Empty for the usual request. */
export function notesOf({ account }: Finished): Note[] {
  const { attempts, resumed, instance } = account;
  if (attempts.length < 2 || instance === "") return [];
  const failed = attempts.filter((one) => isFailover(account, one));
  return [
    ...failed.map((one): Note => ({
      kind: "failover",
      subject: one.instance,
      message: `${one.error}; answered by ${instance}`,
    })),
    ...resumed.map(({ from, to, way }): Note => ({
      kind: "resume",
      subject: from,
      message: `a stream that broke off went on at ${to} (${way})`,
    })),
  ];
}

// What becomes of a finished request: its line in the log, its record, and the alerts that it gives
// reason for.

import type { Alerts } from "../alert/alerts.ts";
import { header } from "../http/message.ts";
import type { Logs, RequestLine } from "../observe/log.ts";
import type { Capture } from "../record/capture.ts";
import type { Finished } from "./gateway.ts";

/** The line of one request. */
export function requestLine(finished: Finished, now: number): RequestLine {
  const { account, request } = finished;
  const query = finished.target.indexOf("?");
  return {
    id: finished.id,
    method: finished.method,
    path: query < 0 ? finished.target : finished.target.slice(0, query),
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
  };
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

export interface Recorder {
  offer(capture: Capture): void;
}

/** Ties the three together for one process. */
export function accountFor(
  parts: {
    logs: Logs;
    alerts: Alerts;
    recorder: () => Recorder | null;
    fallbacks: () => Set<string>;
  },
): (finished: Finished) => void {
  return (finished) => {
    const now = performance.now();
    const { account, request } = finished;
    parts.logs.request(requestLine(finished, now));
    const recorder = parts.recorder();
    if (recorder !== null) {
      const capture = captureOf(finished, now);
      if (capture !== null) recorder.offer(capture);
    }
    if (account.outcome === "truncated") {
      parts.alerts.raise("answer_truncated", account.instance, account.error);
    } else if (account.outcome === "failed" && request !== null) {
      parts.alerts.raise("no_instance", request.model, account.error);
    } else if (account.instance !== "" && parts.fallbacks().has(account.instance)) {
      parts.alerts.raise(
        "fallback_in_use",
        account.instance,
        `model ${request?.model} is answered by a fallback instance`,
      );
    }
  };
}

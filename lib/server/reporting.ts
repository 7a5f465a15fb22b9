// The report of a request, made where it ended. What is read from it is in the rooms of its readers.

import type { Account } from "../forward/account.ts";
import type { ForwardRequest } from "../forward/request.ts";
import type { ClientRequest } from "../http/client.ts";
import { header } from "../http/message.ts";
import type { Report } from "../observe/report.ts";
import { routeLabel } from "./routes.ts";

/** A request as it came in. */
export class Arrival {
  constructor(
    readonly id: string,
    readonly client: ClientRequest,
    /** performance.now(), and the wall clock in milliseconds. */
    readonly at: number,
    readonly atMs: number,
  ) {}
}

/** `request` is null where it was refused before it was read; `now` is performance.now() of its end. */
export function reportOf(
  arrival: Arrival,
  request: ForwardRequest | null,
  account: Account,
  now: number,
): Report {
  const { client, at } = arrival;
  const { firstByteAt, usage } = account;
  const path = pathOf(client.target);
  return {
    id: arrival.id,
    method: client.method,
    path,
    route: routeLabel(path),
    api: request === null ? null : request.api,
    model: request === null ? "" : request.model,
    client: client.remoteAddress,
    userAgent: header(client.headers, "user-agent"),
    stream: request === null ? false : request.stream,
    streamed: account.streamed,
    outcome: account.outcome,
    status: account.status,
    error: account.error,
    instance: account.instance,
    attempts: account.attempts,
    resumes: account.resumed,
    startedAtMs: arrival.atMs,
    firstByteMs: firstByteAt === null ? null : tenths(firstByteAt - at),
    durationMs: tenths(now - at),
    promptTokens: usage === null ? null : usage.promptTokens,
    completionTokens: usage === null ? null : usage.completionTokens,
    pieces: account.pieces,
  };
}

function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

// The report of a request, made where it ended. What is read from it is in the rooms of its readers.

import type { Account, AttemptLog } from "../forward/account.ts";
import type { ForwardRequest } from "../forward/request.ts";
import type { ClientRequest } from "../http/client.ts";
import { header, pathOf } from "../http/message.ts";
import { withoutKeys } from "../caller/key.ts";
import { NOTHING_SPENT, type Visit } from "../caller/visit.ts";
import type { Report, ReportedAttempt, ReportedCaller } from "../observe/report.ts";
import type { PolicyTrail } from "../policy/trail.ts";
import { NOT_ESTIMATED, spentOf } from "./caller_terms.ts";
import { FewTexts } from "../json/one_piece.ts";
import { routeLabel } from "./routes.ts";

const addresses = new FewTexts();
const userAgents = new FewTexts();
const NO_HITS: Report["policies"] = [];
const NOTHING_CHARGED = { ...NOTHING_SPENT, cost: 0 };

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

/**
 * `request` is null where it was refused before it was read, `visit` where nobody is known to have made it;
 * `now` is performance.now() of its end.
 */
export function reportOf(
  arrival: Arrival,
  request: ForwardRequest | null,
  account: Account,
  visit: Visit | null,
  now: number,
  trail: PolicyTrail | null,
): Report {
  const { client, at } = arrival;
  const { firstByteAt, usage } = account;
  const path = withoutKeys(pathOf(client.target));
  const route = routeLabel(path);
  const userAgent = header(client.headers, "user-agent");
  return {
    id: arrival.id,
    method: client.method,
    path: route === path ? route : path,
    route,
    api: request === null ? null : request.api,
    model: request !== null ? request.model : visit !== null ? visit.model : "",
    client: addresses.inOnePiece(client.remoteAddress),
    userAgent: userAgent === undefined ? undefined : userAgents.inOnePiece(userAgent),
    stream: request === null ? false : request.stream,
    streamed: account.streamed,
    outcome: account.outcome,
    status: account.status,
    error: withoutKeys(account.error),
    instance: account.instance,
    receipt: account.route,
    attempts: account.attempts.map((attempt) => reportedAttempt(attempt, at)),
    resumes: account.resumed,
    killed: account.killed ?? undefined,
    startedAtMs: arrival.atMs,
    firstByteMs: firstByteAt === null ? null : tenths(firstByteAt - at),
    durationMs: tenths(now - at),
    waitedMs: tenths(account.waitedMs),
    promptTokens: usage === null ? null : usage.promptTokens,
    completionTokens: usage === null ? null : usage.completionTokens,
    pieces: account.pieces,
    policies: trail === null ? NO_HITS : trail.hits,
    policyFaults: trail === null ? undefined : faultsOf(trail),
    policyChecks: trail === null ? undefined : trail.checks,
    policyHeldMs: trail === null ? undefined : trail.longestHeldMs ?? undefined,
    caller: visit === null ? null : callerOf(visit),
    spent: visit !== null || request === null ? null : spentOf(request, account, NOT_ESTIMATED),
    turnedAway: visit === null ? account.reason : "",
  };
}

function faultsOf({ faults, unscanned }: PolicyTrail): Report["policyFaults"] {
  const unread = unscanned.map(({ policy }) => ({ policy, reason: "unscanned" }));
  return [...faults, ...unread];
}

function reportedAttempt(log: AttemptLog, at: number): ReportedAttempt {
  const { startedAt, firstAt, endedAt } = log;
  return {
    instance: log.instance,
    outcome: log.outcome,
    status: log.status,
    error: log.error,
    startMs: tenths(startedAt - at),
    firstMs: firstAt === undefined ? undefined : tenths(firstAt - at),
    endMs: tenths(endedAt - at),
  };
}

function callerOf({ caller, limited, queued, charged, estimatedPrompt }: Visit): ReportedCaller {
  return {
    key: caller.name,
    group: caller.group === null ? "" : caller.group.name,
    recordsWords: caller.key.record === true,
    limited: limited ?? "",
    queued,
    charged: charged ?? NOTHING_CHARGED,
    estimatedPrompt,
  };
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

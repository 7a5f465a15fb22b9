// What is told of a request when it is over. Log line, tally, trace, alerts and record are made from
// this and from nothing else, each in the room that reads it: a new fact is a field here, filled in where
// requests end (server/reporting.ts), and its readers. Plain data, so that a worker can send it.

import type { Api } from "../api/api.ts";

/** How a request ended for its client. aborted: the client left. truncated: the answer broke off. failed: there was none. */
export const OUTCOMES = [
  "complete",
  "truncated",
  "aborted",
  "failed",
  "rejected",
  "filtered",
] as const;
export type RequestOutcome = typeof OUTCOMES[number];

/** How an attempt on one instance ended. */
export const TRY_OUTCOMES = [
  "answered",
  "failed",
  "busy",
  "too_long",
  "broken",
  "unusable",
  "aborted",
  "scarce",
  "outrun",
  "moved",
] as const;
export type TryOutcome = typeof TRY_OUTCOMES[number];

/** How a broken stream can go on; `limit`: only its end was missing. */
export const RESUME_WAYS = ["continue", "exact", "replay", "limit"] as const;

/** One attempt on one instance. */
export interface ReportedAttempt {
  readonly instance: string;
  readonly outcome: TryOutcome;
  /** What the instance answered, where it did. */
  readonly status?: number;
  readonly error?: string;
  /** Milliseconds since the request came, in tenths: its begin, its first token or whole answer, its end. */
  readonly startMs?: number;
  readonly firstMs?: number;
  readonly endMs?: number;
}

/** How a stream that broke went on. */
export interface ReportedResume {
  /** The instance that broke off, and the one that went on. */
  readonly from: string;
  readonly to: string;
  readonly way: string;
  /** Characters of the answer that the client had by then. */
  readonly atChars: number;
}

/** For whom a request was made, where callers are known. */
export interface ReportedCaller {
  /** Names of the key and of its group; the group "" without one. */
  readonly key: string;
  readonly group: string;
  /** The limit that the request met, "" for none, and whether it waited for it. */
  readonly limited: string;
  readonly queued: boolean;
  /** Whether its conversation may be recorded with its words. */
  readonly recordsWords: boolean;
  /** What is booked for it. */
  readonly charged: Charged;
  /** Tokens of the prompt as they were estimated before; 0 where none were. */
  readonly estimatedPrompt: number;
}

/** Tokens and their cost, as a caller is charged for them. */
export interface Charged {
  /** Cached ones among them. */
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  /** In the currency of the prices. */
  readonly cost: number;
  /** Whether nobody counted the tokens. */
  readonly estimated: boolean;
}

/** What a policy did to a request or its answer; never what it found. */
export interface ReportedPolicy {
  readonly name: string;
  readonly stage: "prompt" | "answer";
  readonly mode: "enforce" | "audit";
  readonly action: string;
  readonly channel: string;
  readonly choice: number;
  readonly count: number;
}

/** How often a policy looked at the prompt or the answer of a request. */
export interface ReportedChecks {
  readonly policy: string;
  readonly stage: "prompt" | "answer";
  readonly count: number;
  /** What the looks took, where that can be told. */
  readonly ms: readonly number[];
}

/** What kept a policy from its work: "timeout", "error"; "unscanned" for what it cannot read. */
export interface ReportedFault {
  readonly policy: string;
  readonly reason: string;
}

/** A finished request. Names are "" and figures null where there was none. */
export interface Report {
  readonly id: string;
  readonly method: string;
  /** As the client wrote it, without the query. */
  readonly path: string;
  /** The path where it is a known one, else "other": one of few, fit for a label. */
  readonly route: string;
  /** The API whose answers are understood and recorded; null for all others. */
  readonly api: Api | null;
  /** The model's name as the client wrote it; "" where the request was refused before it was read. */
  readonly model: string;
  /** Address of the client. */
  readonly client: string;
  readonly userAgent: string | undefined;
  /** Whether the client asked for a stream, and whether the answer came as one. */
  readonly stream: boolean;
  readonly streamed: boolean;
  readonly outcome: RequestOutcome;
  readonly status: number;
  readonly error: string;
  /** The instance that answered, the last one of several. */
  readonly instance: string;
  /** Why that one was chosen, as in x-gateway-route; "" where that is not known. */
  readonly receipt: string;
  /** In their order; empty for what was refused. */
  readonly attempts: readonly ReportedAttempt[];
  readonly resumes: readonly ReportedResume[];
  /** Wall clock, milliseconds since 1970. */
  readonly startedAtMs: number;
  /** The instances whose engines died while they had the request, where it is given to nobody more for it. */
  readonly killed?: readonly string[];
  /** Milliseconds since the start, in tenths. */
  readonly firstByteMs: number | null;
  readonly durationMs: number;
  /** Of these, how many it waited in line for an instance, or for a limit. */
  readonly waitedMs: number;
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  /** Events of the stream that carried something; each a token, as a rule. */
  readonly pieces: number;
  /** Empty where none is in force, or none found anything. */
  readonly policies: readonly ReportedPolicy[];
  /** Policies that gave no verdict, or could not look, each with why; missing where none is in force. */
  readonly policyFaults?: readonly ReportedFault[];
  /** How often each policy looked; missing where none is in force. */
  readonly policyChecks?: readonly ReportedChecks[];
  /** The longest that policies held back a part of the answer; missing where they held nothing. */
  readonly policyHeldMs?: number;
  /** null where anyone may ask, and for who was not let in. */
  readonly caller: ReportedCaller | null;
  /** Tokens that nobody is charged for; null where a caller is, and for what was refused unread. */
  readonly spent: Omit<Charged, "cost"> | null;
  /** Why who asks was not let in, for machines; "" where that is not so. */
  readonly turnedAway: string;
}

/** Whether it failed for want of what the gateway itself lacks: no instance has anything to do with it. */
export function isScarcity({ outcome, attempts }: Pick<Report, "outcome" | "attempts">): boolean {
  return outcome === "failed" && attempts.length > 0 &&
    attempts.every((attempt) => attempt.outcome === "scarce");
}

/** Whether an attempt failed in a request that a later one answered. */
export function isFailover(report: Pick<Report, "instance">, attempt: ReportedAttempt): boolean {
  const { outcome } = attempt;
  return report.instance !== "" &&
    (outcome === "failed" || outcome === "busy" || outcome === "too_long");
}

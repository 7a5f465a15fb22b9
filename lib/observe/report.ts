// What is told of a request when it is over. Log line, tally, trace, alerts and record are made from
// this and from nothing else, each in the room that reads it: a new fact is a field here, filled in where
// requests end (server/reporting.ts), and its readers. Plain data, so that a worker can send it.

import type { Api } from "../api/api.ts";

/** How a request ended for its client. */
export const OUTCOMES = ["complete", "truncated", "aborted", "failed", "rejected"] as const;
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
  /** In their order; empty for what was refused. */
  readonly attempts: readonly ReportedAttempt[];
  readonly resumes: readonly ReportedResume[];
  /** Wall clock, milliseconds since 1970. */
  readonly startedAtMs: number;
  /** Milliseconds since the start, in tenths. */
  readonly firstByteMs: number | null;
  readonly durationMs: number;
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  /** Events of the stream that carried something; each a token, as a rule. */
  readonly pieces: number;
}

/** Whether an attempt failed in a request that a later one answered. */
export function isFailover(report: Pick<Report, "instance">, attempt: ReportedAttempt): boolean {
  const { outcome } = attempt;
  return report.instance !== "" &&
    (outcome === "failed" || outcome === "busy" || outcome === "too_long");
}

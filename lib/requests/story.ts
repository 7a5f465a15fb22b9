// What is kept of each request: a line of JSON with names and figures, no word of what was asked or
// answered. The one place that names its fields.

import type { Report, RequestOutcome, TryOutcome } from "../observe/report.ts";

/** One attempt on one instance; times are milliseconds since the request came. */
export interface StoryAttempt {
  readonly instance: string;
  readonly outcome: TryOutcome;
  readonly status?: number;
  /** In the instance's own words, where it had some. */
  readonly error?: string;
  readonly start_ms: number | null;
  /** When its answer had proved itself: the first token of a stream. */
  readonly first_ms: number | null;
  readonly end_ms: number | null;
}

/** A stream that broke and went on. */
export interface StoryResume {
  readonly from: string;
  readonly to: string;
  readonly way: string;
  /** Characters of the answer that the client had by then. */
  readonly at_chars: number;
}

/** What a policy did to the prompt or the answer. */
export interface StoryPolicy {
  readonly policy: string;
  readonly stage: string;
  readonly mode: string;
  readonly action: string;
  readonly count: number;
}

/** One request, from its arrival to its end. */
export interface Story {
  readonly id: string;
  /** When it came, milliseconds since 1970. */
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly api: string;
  readonly model: string;
  /** Address of the client, and the names of key and group where callers are known. */
  readonly client: string;
  readonly key: string;
  readonly group: string;
  readonly user_agent: string;
  readonly stream: boolean;
  readonly outcome: RequestOutcome;
  readonly status: number;
  readonly error: string;
  /** The limit that it met, or why who asked was not let in; "" for neither. */
  readonly limited: string;
  /** The instance that answered, and why it was chosen. */
  readonly instance: string;
  readonly route: string;
  /** In line for an instance or a limit. */
  readonly waited_ms: number;
  readonly first_byte_ms: number | null;
  readonly duration_ms: number;
  readonly prompt_tokens: number | null;
  readonly completion_tokens: number | null;
  readonly attempts: readonly StoryAttempt[];
  readonly resumes: readonly StoryResume[];
  /** What policies did; never what they found. */
  readonly policies: readonly StoryPolicy[];
}

/** The story of a finished request. */
export function storyOf(report: Report): Story {
  const { caller } = report;
  return {
    id: report.id,
    at: report.startedAtMs,
    method: report.method,
    path: report.path,
    api: report.api ?? "",
    model: report.model,
    client: report.client,
    key: caller === null ? "" : caller.key,
    group: caller === null ? "" : caller.group,
    user_agent: report.userAgent ?? "",
    stream: report.stream,
    outcome: report.outcome,
    status: report.status,
    error: report.error,
    limited: caller === null ? report.turnedAway : caller.limited,
    instance: report.instance,
    route: report.receipt,
    waited_ms: report.waitedMs,
    first_byte_ms: report.firstByteMs,
    duration_ms: report.durationMs,
    prompt_tokens: report.promptTokens,
    completion_tokens: report.completionTokens,
    attempts: report.attempts.map((attempt) => ({
      instance: attempt.instance,
      outcome: attempt.outcome,
      status: attempt.status,
      error: attempt.error,
      start_ms: attempt.startMs ?? null,
      first_ms: attempt.firstMs ?? null,
      end_ms: attempt.endMs ?? null,
    })),
    resumes: report.resumes.map(({ from, to, way, atChars }) => ({
      from,
      to,
      way,
      at_chars: atChars,
    })),
    policies: report.policies.map(({ name, stage, mode, action, count }) => ({
      policy: name,
      stage,
      mode,
      action,
      count,
    })),
  };
}

/** What a line says; null for one that is none of these. */
export function storyIn(text: string): Story | null {
  try {
    const value = JSON.parse(text);
    if (typeof value?.id !== "string" || !Array.isArray(value.attempts)) return null;
    // Earlier versions did not write it.
    value.policies ??= [];
    return value;
  } catch {
    // Half a line that a crash or a full disk left.
    return null;
  }
}

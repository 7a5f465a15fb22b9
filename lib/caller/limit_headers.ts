// What is left of a caller's limits, in the header fields that the vendors' clients read.

import type { HeaderList } from "../http/message.ts";
import type { Level } from "./counters.ts";

/** Whether it is the gateway's to say; an instance's own would be about something else. */
export function isLimitField(name: string): boolean {
  return name.startsWith("x-ratelimit-") || name.startsWith("anthropic-ratelimit-") ||
    name.startsWith("ratelimit");
}

/** The tightest of each kind, as the API at `path` says it. `wallMs`: milliseconds since 1970. */
export function limitHeaders(path: string, levels: readonly Level[], wallMs: number): HeaderList {
  const requests = tightest(levels, "requests_per_minute");
  const tokens = tightest(levels, "tokens_per_minute");
  return path === "/v1/messages" || path.startsWith("/v1/messages/")
    ? [
      ...anthropic(requests, ["requests"], wallMs),
      ...anthropic(tokens, ["tokens", "input-tokens", "output-tokens"], wallMs),
    ]
    : openAi(requests, tokens);
}

function tightest(levels: readonly Level[], limit: Level["limit"]): Level | null {
  let found: Level | null = null;
  for (const level of levels) {
    if (level.limit !== limit) continue;
    if (found === null || level.left / level.allowed < found.left / found.allowed) found = level;
  }
  return found;
}

function openAi(requests: Level | null, tokens: Level | null): HeaderList {
  const fields: [string, string][] = [];
  if (requests !== null) {
    fields.push(
      ["x-ratelimit-limit-requests", String(requests.allowed)],
      ["x-ratelimit-remaining-requests", String(requests.left)],
      ["x-ratelimit-reset-requests", span(requests.fullInMs)],
    );
  }
  if (tokens !== null) {
    fields.push(
      ["x-ratelimit-limit-tokens", String(tokens.allowed)],
      ["x-ratelimit-remaining-tokens", String(tokens.left)],
      ["x-ratelimit-reset-tokens", span(tokens.fullInMs)],
    );
  }
  return fields;
}

function anthropic(level: Level | null, kinds: readonly string[], wallMs: number): HeaderList {
  if (level === null) return [];
  const reset = new Date(wallMs + Math.ceil(level.fullInMs)).toISOString();
  return kinds.flatMap((kind): HeaderList => [
    [`anthropic-ratelimit-${kind}-limit`, String(level.allowed)],
    [`anthropic-ratelimit-${kind}-remaining`, String(level.left)],
    [`anthropic-ratelimit-${kind}-reset`, reset],
  ]);
}

/** `120ms`, `1s`, `6m0s`, as OpenAI writes them. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** When to come again, as both vendors' clients read it; `shouldRetry` false: not by themselves. */
export function retryHeaders(waitMs: number | null, shouldRetry: boolean): HeaderList {
  const fields: [string, string][] = [];
  if (waitMs !== null) {
    fields.push(["retry-after", String(Math.max(1, Math.ceil(waitMs / 1000)))]);
    fields.push(["retry-after-ms", String(Math.max(1, Math.ceil(waitMs)))]);
  }
  if (!shouldRetry) fields.push(["x-should-retry", "false"]);
  return fields;
}

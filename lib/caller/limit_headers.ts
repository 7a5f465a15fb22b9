// What is left of a caller's limits, in the header fields that the vendors' clients read.

import type { HeaderList } from "../http/message.ts";
import type { Level } from "./counters.ts";

/** Whether it is the gateway's to say; an instance's own would be about something else. */
function isLimitField(name: string): boolean {
  switch (name[0]) {
    case "x":
      return name.startsWith("x-ratelimit-");
    case "a":
      return name.startsWith("anthropic-ratelimit-");
    case "r":
      return name.startsWith("ratelimit");
    default:
      return false;
  }
}

type Fields = (readonly [name: string, value: string])[];

/**
 * `fields` with the tightest limit of each kind, as the API at `path` says it. `wallMs`: milliseconds since
 * 1970.
 */
export function withLimitHeaders(
  fields: HeaderList,
  path: string,
  levels: readonly Level[],
  wallMs: number,
): Fields {
  // One list, and nothing in between: it is on the way of every request.
  const all: Fields = [];
  for (let at = 0; at < fields.length; at++) {
    if (!isLimitField(fields[at][0])) all.push(fields[at]);
  }
  const requests = tightest(levels, "requests_per_minute");
  const tokens = tightest(levels, "tokens_per_minute");
  if (path === "/v1/messages" || path.startsWith("/v1/messages/")) {
    addAnthropic(all, requests, ["requests"], wallMs);
    addAnthropic(all, tokens, ["tokens", "input-tokens", "output-tokens"], wallMs);
  } else {
    if (requests !== null) addOpenAi(all, requests, OPENAI_REQUESTS);
    if (tokens !== null) addOpenAi(all, tokens, OPENAI_TOKENS);
  }
  return all;
}

function tightest(levels: readonly Level[], limit: Level["limit"]): Level | null {
  let found: Level | null = null;
  for (const level of levels) {
    if (level.limit !== limit) continue;
    if (found === null || level.left / level.allowed < found.left / found.allowed) found = level;
  }
  return found;
}

const OPENAI_REQUESTS = [
  "x-ratelimit-limit-requests",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-reset-requests",
] as const;
const OPENAI_TOKENS = [
  "x-ratelimit-limit-tokens",
  "x-ratelimit-remaining-tokens",
  "x-ratelimit-reset-tokens",
] as const;

function addOpenAi(
  to: Fields,
  { allowed, left, fullInMs }: Level,
  [limit, remaining, reset]: typeof OPENAI_REQUESTS | typeof OPENAI_TOKENS,
): void {
  to.push([limit, String(allowed)], [remaining, String(left)], [reset, span(fullInMs)]);
}

function addAnthropic(
  to: Fields,
  level: Level | null,
  kinds: readonly string[],
  wallMs: number,
): void {
  if (level === null) return;
  const reset = new Date(wallMs + Math.ceil(level.fullInMs)).toISOString();
  for (const kind of kinds) {
    to.push(
      [`anthropic-ratelimit-${kind}-limit`, String(level.allowed)],
      [`anthropic-ratelimit-${kind}-remaining`, String(level.left)],
      [`anthropic-ratelimit-${kind}-reset`, reset],
    );
  }
}

/** `120ms`, `1s`, `6m0s`, as OpenAI writes them. */
function span(ms: number): string {
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

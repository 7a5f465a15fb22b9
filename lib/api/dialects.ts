// The APIs that the gateway understands: a new one is a file beside this one and its line in the table; what
// else it needs is told in docs/architecture.md.

import { pathOf } from "../http/message.ts";
import { openAiErrorBody } from "../http/openai_error.ts";
import { chat } from "./chat.ts";
import { completions } from "./completions.ts";
import type { Dialect } from "./dialect.ts";
import { messages } from "./messages.ts";
import { responses } from "./responses.ts";

/** By name. */
export const dialects = { chat, completions, responses, messages } satisfies Record<
  string,
  Dialect
>;

/** An API whose answers the gateway reads, resumes and records. */
export type Api = keyof typeof dialects;

/** What `api` is. */
export function dialectOf(api: Api): Dialect {
  return dialects[api];
}

const APIS = new Map(
  (Object.keys(dialects) as Api[]).map((api): [string, Api] => [dialects[api].path, api]),
);

/** The API that is asked at exactly this path; null for another path. */
export function apiAt(path: string): Api | null {
  return APIS.get(path) ?? null;
}

/**
 * The body of an error for a request of `target`, path and query: in the shape of the API that the path
 * lies in or below (`/v1/messages/count_tokens`), OpenAI's elsewhere.
 */
export function errorBodyAt(
  target: string,
  status: number,
  message: string,
  param: string | null = null,
): Uint8Array {
  const path = pathOf(target);
  const dialect = Object.values(dialects).find((one) =>
    path === one.path || path.startsWith(`${one.path}/`)
  );
  return (dialect?.errorBody ?? openAiErrorBody)(status, message, param);
}

// The answers of pages and their API. Browsers are told the same of all: nothing from elsewhere, nothing inline, in
// nobody's frame, and in nobody's store.

import type { AdminReply } from "./admin.ts";
import type { HeaderList } from "./message.ts";
import { openAiError } from "./openai_error.ts";

const encoder = new TextEncoder();

export const SECURITY_HEADERS: HeaderList = [
  [
    "content-security-policy",
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  ],
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
  ["cross-origin-opener-policy", "same-origin"],
  ["cross-origin-resource-policy", "same-origin"],
];

/** A body of that content type, which may be a stream. */
export function reply(
  status: number,
  type: string,
  body: AdminReply["body"] | string,
  headers: HeaderList = [],
): AdminReply {
  return {
    status,
    headers: [
      ["content-type", type],
      ["cache-control", "no-store"],
      ...headers,
      ...SECURITY_HEADERS,
    ],
    body: typeof body === "string" ? encoder.encode(body) : body,
  };
}

/** A line of plain text; none for "". */
export function textReply(status: number, line: string, headers: HeaderList = []): AdminReply {
  return reply(status, "text/plain; charset=utf-8", line === "" ? "" : `${line}\n`, headers);
}

export function jsonReply(status: number, value: unknown, headers: HeaderList = []): AdminReply {
  return reply(status, "application/json", JSON.stringify(value), headers);
}

/** In the shape of the gateway's other errors. */
export function problem(status: number, message: string, headers: HeaderList = []): AdminReply {
  return jsonReply(status, openAiError(status, message), headers);
}

/** The path has other methods, which `allow` names. */
export function wrongMethod(allow: string): AdminReply {
  return problem(405, "Method Not Allowed", [["allow", allow]]);
}

/** `location` is relative, so that it holds behind a proxy that adds a prefix. */
export function redirect(
  status: 307 | 308,
  location: string,
  headers: HeaderList = [],
): AdminReply {
  return {
    status,
    headers: [["location", location], ...headers, ...SECURITY_HEADERS],
    body: new Uint8Array(0),
  };
}

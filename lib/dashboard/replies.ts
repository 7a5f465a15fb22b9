// The JSON answers of the dashboard's API.

import type { AdminReply } from "../http/admin.ts";
import { openAiError } from "../http/openai_error.ts";
import { SECURITY_HEADERS } from "./assets.ts";

const encoder = new TextEncoder();

export function json(status: number, value: unknown): AdminReply {
  return {
    status,
    headers: [
      ["content-type", "application/json"],
      ["cache-control", "no-store"],
      ...SECURITY_HEADERS,
    ],
    body: encoder.encode(JSON.stringify(value)),
  };
}

/** In the shape of the gateway's other errors. */
export function problem(status: number, message: string): AdminReply {
  return json(status, openAiError(status, message));
}

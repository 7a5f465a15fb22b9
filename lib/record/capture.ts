// What is handed to the recorder when a request is over: the bytes as they went by, and the facts
// about them. Nothing in it has been decoded yet.

import type { Api } from "../api/api.ts";
import type { EventStore } from "../sse/event_store.ts";

/** aborted: the client left. truncated: the answer broke off. failed: there was none. */
export type Outcome = "complete" | "truncated" | "aborted" | "failed";

export interface Capture {
  id: string;
  api: Api;
  outcome: Outcome;
  error?: string;
  /** The model's name as the client wrote it. */
  model: string;
  /** Name of the instance that answered; "" when none did. */
  instance: string;
  /** As the client sent it. */
  requestBody: Uint8Array;
  stream: boolean;
  status: number;
  response: Uint8Array | EventStore | null;
  /** Wall clock, milliseconds since 1970. */
  startedAtMs: number;
  /** Since the start; null when nothing came. */
  firstByteMs: number | null;
  durationMs: number;
  /** Address of the client. */
  client: string;
  userAgent?: string;
  attempts: { instance: string; status?: number; error?: string }[];
  resumed?: { from: string; to: string; way: string; atChars: number }[];
}

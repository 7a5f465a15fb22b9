// How a stream that has begun says that it failed: an error event in the dialect of its API, and no
// `[DONE]` after it.

import { type Api, dialectOf } from "../api/dialects.ts";

/** The event in the words of `api`; OpenAI's for a stream whose API is not understood. */
export function streamErrorEvent(api: Api | null, status: number, message: string): Uint8Array {
  return dialectOf(api ?? "chat").errorEvent(status, message);
}

// How a stream that has begun says that it failed: an error event in the dialect of its API, and no
// `[DONE]` after it.

import { openAiError } from "../http/openai_error.ts";
import type { Api } from "../api/api.ts";

const encoder = new TextEncoder();

export function streamErrorEvent(api: Api | null, status: number, message: string): Uint8Array {
  const { error } = openAiError(status, message);
  if (api === "messages") {
    const data = { type: "error", error: { type: "api_error", message } };
    return encoder.encode(`event: error\ndata: ${JSON.stringify(data)}\n\n`);
  }
  if (api === "responses") {
    const data = { type: "error", code: String(status), message, param: null };
    return encoder.encode(`event: error\ndata: ${JSON.stringify(data)}\n\n`);
  }
  return encoder.encode(`data: ${JSON.stringify({ error })}\n\n`);
}

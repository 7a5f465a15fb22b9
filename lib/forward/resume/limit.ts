// The end of an answer whose tokens have all been sent when it broke off: only its last event is missing.

import type { Api } from "../../api/api.ts";
import type { Answer } from "../../sse/assemble/answer.ts";

/** The finish event ("length") and `[DONE]` of a chat or text completion. */
export function endAtLimit(api: Api, { id, created, model }: Answer): Uint8Array {
  const end = { logprobs: null, finish_reason: "length", stop_reason: null };
  const choice = api === "chat" ? { index: 0, delta: {}, ...end } : { index: 0, text: "", ...end };
  const object = api === "chat" ? "chat.completion.chunk" : "text_completion";
  const chunk = { id, object, created, model, choices: [choice] };
  return new TextEncoder().encode(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`);
}

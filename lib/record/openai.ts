// The `openai` form of a record: the messages as they were sent, nothing left out.

import type { Json } from "../sse/assemble/answer.ts";
import type { Conversation } from "./record.ts";

export function openaiRecord(conversation: Conversation): Json {
  const { id, messages, tools, model, created, meta } = conversation;
  return { id, messages, ...(tools.length === 0 ? {} : { tools }), model, created, meta };
}

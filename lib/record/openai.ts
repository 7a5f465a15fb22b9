// The `openai` form of a record: the messages as they were sent, nothing left out.

import type { Json } from "../json/json.ts";
import { jsonText } from "./json_text.ts";
import type { Conversation } from "./conversation.ts";

export function openaiRecord(conversation: Conversation): Json {
  const { id, messages, tools, model, created, meta } = conversation;
  return { id, messages, tools, model, created, meta: jsonText(meta) };
}

// The conversation in a chat completions request: its messages as they are.

import { type Json, objectsIn } from "../../json/json.ts";
import type { Asked } from "./conversation.ts";

export function askedByChat(body: Json): Asked {
  const messages = objectsIn(body.messages);
  const last = messages.at(-1);
  const tools = objectsIn(body.tools);
  // `functions` is what OpenAI called tools before there were tools.
  for (const fn of objectsIn(body.functions)) tools.push({ type: "function", function: fn });
  // `prefix` is DeepSeek's and Mistral's word for it, on the message itself.
  const prefilled = last?.role === "assistant" &&
    (body.continue_final_message === true || last.prefix === true);
  return { messages, tools, prefilled, echoed: prefilled && body.echo === true };
}

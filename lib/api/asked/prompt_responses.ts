// The prompt of a Responses request, as vLLM turns it into a chat.

import { type Json, objectsIn, textOf } from "../../json/json.ts";
import { objectOr } from "./conversation.ts";
import { type Prompt, templateOptions } from "./prompt.ts";

export function promptOfResponses(request: Json): Prompt {
  // What was said before lies with the instance.
  if (["previous_response_id", "prompt", "conversation"].some((name) => request[name])) return null;
  const tools = objectsIn(request.tools);
  // Their calls have a form of their own.
  if (tools.some(({ type }) => type !== "function")) return null;
  const before: Json[] = [];
  if (textOf(request.instructions) !== "") {
    before.push({ role: "system", content: request.instructions });
  }
  const items = objectsIn(request.input);
  if (typeof request.input === "string") before.push({ role: "user", content: request.input });
  const last = items.at(-1);
  if (last?.status === "in_progress" || last?.status === "incomplete") return null;
  const said: Json[] = [];
  for (const item of items) {
    const message = messageOf(item, said.at(-1));
    if (message === "unknown") return null;
    if (message !== null) said.push(message);
  }
  const { effort } = objectOr(request.reasoning);
  return {
    messages: [...before, ...said],
    add_generation_prompt: true,
    chat_template_kwargs: templateOptions(request.chat_template_kwargs, effort),
    ...(tools.length > 0 ? { tools: tools.map(toolOf) } : {}),
  };
}

/** The message that an item is; null where it was a part of the one before, `previous`. */
function messageOf(item: Json, previous: Json | undefined): Json | null | "unknown" {
  const assistant = previous?.role === "assistant" ? previous : undefined;
  switch (item.type) {
    case "function_call": {
      const call = {
        id: item.call_id,
        type: "function",
        function: { name: item.name, arguments: item.arguments },
      };
      if (assistant === undefined) return { role: "assistant", tool_calls: [call] };
      assistant.tool_calls = [...objectsIn(assistant.tool_calls), call];
      return null;
    }
    case "reasoning": {
      const [part] = [...objectsIn(item.content), ...objectsIn(item.summary)];
      return merged(assistant, "reasoning", textOf(part?.text));
    }
    case "function_call_output":
      return { role: "tool", content: item.output, tool_call_id: item.call_id };
    case undefined:
    case "message": {
      if (typeof item.role !== "string") return "unknown";
      if (item.role !== "assistant") return { role: item.role, content: contentOf(item.content) };
      // Of a message of the model's vLLM takes the first part.
      const text = typeof item.content === "string"
        ? item.content
        : objectsIn(item.content)[0]?.text;
      return typeof text === "string" ? merged(assistant, "content", text) : "unknown";
    }
    default:
      return "unknown";
  }
}

function merged(assistant: Json | undefined, field: "reasoning" | "content", text: string) {
  if (assistant === undefined || assistant[field] !== undefined) {
    return { role: "assistant", [field]: text };
  }
  assistant[field] = text;
  return null;
}

/** Content with its parts in the form of chat, which `/tokenize` insists on. */
function contentOf(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  return objectsIn(content).map((part) => {
    if (part.type === "input_text") return { type: "text", text: part.text };
    if (part.type !== "input_image") return part;
    return { type: "image_url", image_url: { url: part.image_url } };
  });
}

function toolOf({ type: _, ...fn }: Json): Json {
  return { type: "function", function: fn };
}

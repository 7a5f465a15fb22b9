// The prompt of a Messages request, as vLLM turns it into a chat.

import { isObject, type Json, objectsIn, textOf } from "../../json/json.ts";
import { objectOr } from "./conversation.ts";
import { type Prompt, templateOptions } from "./prompt.ts";

/** A line of Claude Code's that differs with each request; vLLM leaves it out. */
const BILLING = "x-anthropic-billing-header";

export function promptOfMessages(request: Json): Prompt {
  const blocks = objectsIn(request.messages).flatMap(({ content }) => objectsIn(content));
  // Tools that come and go within the conversation are vLLM's to work out.
  if (blocks.some(({ type }) => type === "tool_addition" || type === "tool_removal")) return null;
  const system = systemText(request.system);
  const messages: Json[] = system === "" ? [] : [{ role: "system", content: system }];
  for (const turn of objectsIn(request.messages)) {
    for (const message of messagesOf(turn)) messages.push(message);
  }
  // Which effort stands for none depends on the template.
  const thinking = objectOr(request.thinking);
  if (thinking.type === "disabled") return null;
  const { effort } = objectOr(request.output_config);
  return {
    messages,
    add_generation_prompt: true,
    chat_template_kwargs: templateOptions(request.chat_template_kwargs, effort),
    ...(Array.isArray(request.tools) ? { tools: objectsIn(request.tools).map(toolOf) } : {}),
  };
}

/** The prompt for a template that takes system text at the beginning only: all of it stands there. */
export function systemFirst(prompt: Json): Prompt {
  const messages = objectsIn(prompt.messages);
  const isSystem = ({ role }: Json) => role === "system";
  if (!messages.slice(1).some(isSystem)) return null;
  const content = messages.filter(isSystem).map(({ content }) => textOf(content)).join("");
  const rest = messages.filter((message) => !isSystem(message));
  return { ...prompt, messages: [{ role: "system", content }, ...rest] };
}

function systemText(system: unknown): string {
  const texts = typeof system === "string"
    ? [system]
    : objectsIn(system).filter(({ type }) => type === "text").map(({ text }) => textOf(text))
      .filter((text) => !text.startsWith(BILLING));
  return texts.join("");
}

function messagesOf(turn: Json): Json[] {
  const { role, content } = turn;
  if (role === "system") {
    const text = typeof content === "string" && content.startsWith(BILLING)
      ? ""
      : systemText(content);
    return text === "" ? [] : [{ role, content: text }];
  }
  if (!Array.isArray(content)) return [{ role, content }];
  const before: Json[] = [];
  const parts: Json[] = [];
  const calls: Json[] = [];
  const thoughts: string[] = [];
  for (const block of objectsIn(content)) {
    if (block.type === "text" && block.text) parts.push({ type: "text", text: block.text });
    else if (block.type === "image" && isObject(block.source)) parts.push(imageOf(block.source));
    else if (block.type === "thinking" && typeof block.thinking === "string") {
      thoughts.push(block.thinking);
    } else if (block.type === "tool_use") calls.push(callOf(block));
    else if (block.type === "tool_result") before.push(...resultOf(block));
  }
  const message: Json = { role };
  if (thoughts.length > 0) message.reasoning = thoughts.join("");
  if (calls.length > 0) message.tool_calls = calls;
  if (parts.length === 1 && parts[0].type === "text") message.content = parts[0].text;
  else if (parts.length > 0) message.content = parts;
  return role === "user" && message.content === undefined ? before : [...before, message];
}

function imageOf(source: Json): Json {
  const url = source.type === "url"
    ? textOf(source.url)
    : `data:${textOf(source.media_type) || "image/jpeg"};base64,${textOf(source.data)}`;
  return { type: "image_url", image_url: { url } };
}

function callOf({ id, name, input }: Json): Json {
  const given = JSON.stringify(isObject(input) ? input : {});
  return { id, type: "function", function: { name, arguments: given } };
}

function resultOf({ tool_use_id, content }: Json): Json[] {
  const id = textOf(tool_use_id);
  if (!Array.isArray(content)) {
    return [{ role: "tool", tool_call_id: id, content: textOf(content) }];
  }
  const parts = objectsIn(content);
  const text = parts.filter(({ type }) => type === "text").map(({ text }) => textOf(text));
  const images = parts.filter(({ type }) => type === "image")
    .map(({ source }) => imageOf(objectOr(source)));
  return [
    { role: "tool", tool_call_id: id, content: text.join("\n") },
    ...(images.length > 0 ? [{ role: "user", content: images }] : []),
  ];
}

function toolOf({ name, description, input_schema, strict, defer_loading }: Json): Json {
  const schema = objectOr(input_schema);
  const parameters = "type" in schema ? schema : { ...schema, type: "object" };
  return { type: "function", function: { name, description, parameters, strict, defer_loading } };
}

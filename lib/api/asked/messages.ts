// The conversation in a request to Anthropic's Messages API, as chat messages.

import { isObject, type Json, objectsIn, textOf } from "../../json/json.ts";
import { messageOf } from "../../sse/assemble/messages.ts";
import { type Asked, type Message, nestedTool, objectOr, simplified } from "./conversation.ts";

export function askedByMessages(body: Json): Asked {
  const messages: Message[] = [];
  const system = contentOf(body.system);
  if (system !== undefined && system !== "") messages.push({ role: "system", content: system });
  const turns = objectsIn(body.messages);
  for (const turn of turns) for (const message of messagesFrom(turn)) messages.push(message);
  return {
    messages,
    tools: objectsIn(body.tools).map((tool) =>
      isObject(tool.input_schema) ? nestedTool(tool, tool.input_schema) : tool
    ),
    // Here an assistant's message at the end is always one to go on with.
    prefilled: turns.at(-1)?.role === "assistant",
    echoed: false,
  };
}

function messagesFrom(turn: Json): Message[] {
  if (!Array.isArray(turn.content)) return [turn];
  const blocks = objectsIn(turn.content);
  if (turn.role === "assistant") return [messageOf(blocks)];
  const results = blocks.filter((block) => block.type === "tool_result").map((block) => ({
    role: "tool",
    tool_call_id: block.tool_use_id,
    content: contentOf(block.content) ?? "",
  }));
  const rest = blocks.filter((block) => block.type !== "tool_result");
  if (rest.length === 0) return results;
  return [...results, { role: turn.role, content: contentOf(rest) }];
}

function contentOf(content: unknown): unknown {
  return Array.isArray(content) ? simplified(objectsIn(content).map(partFrom)) : content;
}

/** A content block in the form of a chat content part. */
function partFrom(block: Json): Json {
  if (block.type === "text") return { type: "text", text: textOf(block.text) };
  if (block.type !== "image") return block;
  const source = objectOr(block.source);
  const url = source.type === "base64"
    ? `data:${textOf(source.media_type)};base64,${textOf(source.data)}`
    : source.url;
  return { type: "image_url", image_url: { url } };
}

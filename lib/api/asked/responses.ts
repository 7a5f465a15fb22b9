// The conversation in a Responses request: instructions and input items as chat messages.

import { type Json, objectsIn, textOf } from "../../json/json.ts";
import { messageOf } from "../../sse/assemble/responses.ts";
import { type Asked, type Message, nestedTool, simplified } from "./conversation.ts";

export function askedByResponses(body: Json): Asked {
  const messages: Message[] = [];
  if (typeof body.instructions === "string" && body.instructions !== "") {
    messages.push({ role: "system", content: body.instructions });
  }
  if (typeof body.input === "string") messages.push({ role: "user", content: body.input });
  // What the model put out earlier came as separate items; side by side they are one message.
  let said: Json[] = [];
  const close = () => {
    if (said.length > 0) messages.push(messageOf(said));
    said = [];
  };
  for (const item of objectsIn(body.input)) {
    const fromModel = item.type === "reasoning" || item.type === "function_call" ||
      (item.role === "assistant" && (item.type === "message" || item.type === undefined));
    if (fromModel) {
      said.push(item.type === undefined ? { ...item, type: "message" } : item);
      continue;
    }
    close();
    messages.push(messageFrom(item));
  }
  close();
  const tools = objectsIn(body.tools).map((tool) =>
    tool.type === "function" ? nestedTool(tool, tool.parameters) : tool
  );
  return { messages, tools, prefilled: false, echoed: false };
}

function messageFrom(item: Json): Message {
  if (item.type === "function_call_output") {
    return { role: "tool", tool_call_id: item.call_id, content: contentOf(item.output) };
  }
  if (typeof item.role === "string") return { role: item.role, content: contentOf(item.content) };
  // Calls of built-in tools and other items: kept whole, as what the program around the model did.
  return { role: "tool", content: JSON.stringify(item) };
}

function contentOf(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  return simplified(objectsIn(content).map(partFrom));
}

/** A content part of Responses in the form of chat. */
function partFrom(part: Json): Json {
  switch (part.type) {
    case "input_text":
    case "output_text":
      return { type: "text", text: textOf(part.text) };
    case "input_image": {
      const detail = part.detail === undefined ? {} : { detail: part.detail };
      return { type: "image_url", image_url: { url: part.image_url ?? part.file_id, ...detail } };
    }
    default:
      return part;
  }
}

// The chat that vLLM makes of a Messages request, before any template sees it.

import { invalidBody } from "./errors.ts";
import type { Json } from "./exchange.ts";
import { type ChatMessage, contentText } from "./template.ts";

/** A line of Claude Code's that differs with each request; vLLM leaves it out. */
const BILLING = "x-anthropic-billing-header";

/** The chat request that says the same. Throws ApiError 400. */
export function chatBody(body: Json): Json {
  if (!Array.isArray(body.messages)) {
    throw invalidBody("missing", "messages", "Field required");
  }
  const messages = [{ role: "system", content: body.system }, ...body.messages]
    .flatMap(chatMessages);
  const choice = body.tool_choice as { type?: string; name?: string } | undefined;
  return {
    messages,
    tools: Array.isArray(body.tools) ? body.tools.map(chatTool) : undefined,
    tool_choice: choice === undefined
      ? undefined
      : choice.type === "any"
      ? "required"
      : choice.type === "tool"
      ? { type: "function", function: { name: choice.name } }
      : choice.type,
    max_tokens: body.max_tokens,
    temperature: body.temperature,
    top_p: body.top_p,
    stop: body.stop_sequences,
    chat_template_kwargs: body.chat_template_kwargs ??
      ((body.thinking as Json | undefined)?.type === "disabled"
        ? { enable_thinking: false }
        : undefined),
  };
}

function chatMessages(message: { role: string; content: unknown }): ChatMessage[] {
  const { role, content } = message;
  if (role === "system") {
    const text = systemText(content);
    return text === "" ? [] : [{ role, content: text }];
  }
  if (!Array.isArray(content)) return [message];
  const blocks = content as Json[];
  const results = blocks.filter((block) => block.type === "tool_result")
    .map((block) => ({ role: "tool", content: contentText(block.content) }));
  const uses = blocks.filter((block) => block.type === "tool_use");
  const rest = blocks.filter((block) => block.type !== "tool_result" && block.type !== "tool_use");
  const more: ChatMessage[] = rest.length > 0 || uses.length > 0
    ? [{
      role,
      content: contentText(rest),
      tool_calls: uses.map((use) => ({
        function: { name: String(use.name), arguments: use.input },
      })),
    }]
    : [];
  return [...results, ...more];
}

/** Blocks stand side by side, with nothing between them. */
function systemText(system: unknown): string {
  const blocks = Array.isArray(system) ? system : [{ type: "text", text: system }];
  return blocks.filter(({ type, text }) => type === "text" && typeof text === "string")
    .map(({ text }) => text).filter((text) => !text.startsWith(BILLING)).join("");
}

function chatTool({ name, description, input_schema, strict, defer_loading }: Json): Json {
  const schema = input_schema as Json | undefined;
  const parameters = { ...schema, type: schema?.type ?? "object" };
  return { type: "function", function: { name, description, parameters, strict, defer_loading } };
}

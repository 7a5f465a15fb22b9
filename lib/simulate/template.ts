// The chat template, in the manner of Qwen: a conversation becomes one text that ends where the
// assistant goes on. The text of an open assistant message is a prefix of the text of the same
// message with more in it, so that an answer can be continued exactly.

import { invalidBody } from "./errors.ts";

/** A chat message as clients send it, as far as the template reads it. */
export interface ChatMessage {
  role: string;
  content?: unknown;
  reasoning?: unknown;
  reasoning_content?: unknown;
  tool_calls?: { function?: { name?: string; arguments?: unknown } }[];
}

/** How to render. */
export interface TemplateOptions {
  tools?: unknown[];
  addGenerationPrompt: boolean;
  continueFinalMessage: boolean;
  /** What stands before a new answer; an empty thought where thinking is forbidden. */
  beforeAnswer: string;
}

/** The prompt's text. */
export function render(messages: ChatMessage[], options: TemplateOptions): string {
  let text = "";
  let rest = messages;
  const tools = options.tools && options.tools.length > 0
    ? `\n<tools>\n${options.tools.map((tool) => JSON.stringify(tool)).join("\n")}\n</tools>`
    : "";
  if (messages[0]?.role === "system" || messages[0]?.role === "developer") {
    text += `<|im_start|>system\n${contentText(messages[0].content)}${tools}<|im_end|>\n`;
    rest = messages.slice(1);
  } else if (tools) {
    text += `<|im_start|>system\nYou may call functions.${tools}<|im_end|>\n`;
  }
  rest.forEach((message, index) => {
    const open = options.continueFinalMessage && index === rest.length - 1;
    if (message.role === "assistant") {
      text += `<|im_start|>assistant\n${assistantText(message, open)}`;
    } else {
      text += `<|im_start|>${message.role}\n${contentText(message.content)}`;
    }
    if (!open) text += "<|im_end|>\n";
  });
  if (options.addGenerationPrompt) text += `<|im_start|>assistant\n${options.beforeAnswer}`;
  return text;
}

/** Reasoning of earlier turns is dropped, as the templates of reasoning models do. */
function assistantText(message: ChatMessage, open: boolean): string {
  let text = "";
  const reasoning = message.reasoning ?? message.reasoning_content;
  if (open && typeof reasoning === "string" && reasoning !== "") {
    const content = contentText(message.content);
    text += `<think>\n${reasoning}`;
    if (content !== "") text += `</think>\n\n${content}`;
  } else {
    text += contentText(message.content);
  }
  for (const call of message.tool_calls ?? []) {
    const given = call.function?.arguments;
    text += `\n<tool_call>\n{"name": "${call.function?.name ?? ""}", "arguments": ${
      typeof given === "string" ? given : JSON.stringify(given ?? {})
    }}\n</tool_call>`;
  }
  return text;
}

/** The text of a message's content; pictures and sounds become a mark of fixed length. */
export function contentText(content: unknown): string {
  if (content === undefined || content === null) return "";
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) {
    throw invalidBody("string_type", "messages", "Input should be a valid string");
  }
  return content.map((part) => {
    if (typeof part === "string") return part;
    if (typeof part?.text === "string") return part.text;
    if (typeof part?.thinking === "string") return "";
    if (part?.type === "tool_result") return contentText(part.content);
    return "<|vision_start|><|image_pad|><|vision_end|>";
  }).join("\n");
}

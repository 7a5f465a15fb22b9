// What a client asked of the real model, checked the way vLLM checks it. Generating and answering
// are left to server.ts.

import type { Model, Sampling } from "./model.ts";

/** A request that vLLM would refuse. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    readonly param: string | null = null,
  ) {
    super(message);
  }
}

/** One answer to generate. */
export interface Job {
  prompt: number[];
  /** Role of the answer's message: the last message's own where it is continued. */
  role: string;
  sampling: Sampling;
  maxTokens: number;
  minTokens: number;
  ignoreEnd: boolean;
  stops: string[];
  stream: boolean;
  includeUsage: boolean;
  continuousUsage: boolean;
  returnTokenIds: boolean;
}

type Body = Record<string, unknown>;

/** Reads the fields that chat completions and completions share, and the prompt of either. */
export function readJob(body: Body, kind: "chat" | "completion", model: Model): Job {
  const prompt = kind === "chat" ? chatPrompt(body, model) : textPrompt(body, model);
  if (number(body, "n", 1) !== 1) refuse("n must be 1", "n");
  const room = model.contextSize - prompt.length;
  const asked = number(body, "max_completion_tokens", number(body, "max_tokens", NaN));
  const maxTokens = Number.isNaN(asked) ? (kind === "chat" ? room : 16) : asked;
  if (room < 1 || maxTokens > room) {
    refuse(
      `This model's maximum context length is ${model.contextSize} tokens. However, you requested ` +
        `${maxTokens} output tokens and your prompt contains ${prompt.length} input tokens.`,
      "input_tokens",
    );
  }
  if (maxTokens < 1) refuse("max_tokens must be at least 1", "max_tokens");
  const options = object(body.stream_options);
  if (body.stream !== true && body.stream_options != null) {
    refuse("Stream options can only be defined when `stream=True`.", "stream_options");
  }
  return {
    prompt,
    role: continuedRole(body) ?? "assistant",
    sampling: {
      temperature: number(body, "temperature", 1),
      top_p: number(body, "top_p", 1),
      top_k: number(body, "top_k", 0),
      seed: typeof body.seed === "number" ? body.seed : undefined,
    },
    maxTokens,
    minTokens: number(body, "min_tokens", 0),
    ignoreEnd: body.ignore_eos === true,
    stops: strings(body.stop),
    stream: body.stream === true,
    includeUsage: options.include_usage === true,
    continuousUsage: options.include_usage === true && options.continuous_usage_stats === true,
    returnTokenIds: body.return_token_ids === true,
  };
}

/** The model's chat template (chatml), filled in. */
function chatPrompt(body: Body, model: Model): number[] {
  const messages = body.messages;
  if (!Array.isArray(messages) || messages.length === 0) refuse("messages is required", "messages");
  const open = body.continue_final_message === true;
  if (open && body.add_generation_prompt === true) {
    refuse("Cannot set both `continue_final_message` and `add_generation_prompt` to True.", null);
  }
  let text = "";
  (messages as unknown[]).forEach((item, index) => {
    const message = object(item);
    text += `<|im_start|>${message.role}\n${contentText(message.content)}`;
    if (!open || index < (messages as unknown[]).length - 1) text += "<|im_end|>\n";
  });
  if (!open && body.add_generation_prompt !== false) text += "<|im_start|>assistant\n";
  return model.tokenize(text);
}

function continuedRole(body: Body): string | null {
  if (body.add_generation_prompt !== false || !Array.isArray(body.messages)) return null;
  const role = object(body.messages.at(-1)).role;
  return typeof role === "string" ? role : null;
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (content == null) return "";
  if (!Array.isArray(content)) refuse("content must be a string or a list of parts", "messages");
  return (content as unknown[]).map((part) => {
    const { type, text } = object(part);
    if (type !== "text" || typeof text !== "string") refuse("only text parts", "messages");
    return text;
  }).join("");
}

/** `prompt` as text, or as token ids (what an exact continuation sends). */
function textPrompt(body: Body, model: Model): number[] {
  const prompt = body.prompt;
  if (typeof prompt === "string") return model.tokenize(prompt);
  if (Array.isArray(prompt) && prompt.every((id) => Number.isInteger(id))) {
    return prompt as number[];
  }
  refuse("prompt must be a string or a list of token ids", "prompt");
}

function number(body: Body, key: string, fallback: number): number {
  const value = body[key];
  if (value == null) return fallback;
  if (typeof value !== "number") refuse(`${key} must be a number`, key);
  return value as number;
}

function strings(value: unknown): string[] {
  if (value == null) return [];
  if (typeof value === "string") return [value];
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  refuse("stop must be a string or a list of strings", "stop");
}

function object(value: unknown): Body {
  return typeof value === "object" && value !== null ? value as Body : {};
}

function refuse(message: string, param: string | null): never {
  throw new Refusal(400, "BadRequestError", message, param);
}

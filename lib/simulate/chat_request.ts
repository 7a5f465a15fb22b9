// What a chat body asks for: prompt, sampling, tools. Answering it is left to chat.ts, and to the
// dialects that turn their requests into chat bodies.

import type { Reading } from "./choice.ts";
import type { Engine } from "./engine.ts";
import { badParameter, invalidBody } from "./errors.ts";
import type { Exchange, Json } from "./exchange.ts";
import type { Job } from "./generation.ts";
import { EMPTY_THOUGHT, type PlanOptions, readTool, type Tool } from "./plan.ts";
import { ReasoningParser } from "./reasoning.ts";
import { readSampling, room, type Sampling } from "./sampling.ts";
import { type ChatMessage, contentText, render } from "./template.ts";

/** A chat request that has been read. */
export interface ChatRequest {
  ids: number[];
  sampling: Sampling;
  maxTokens: number;
  plan: Omit<PlanOptions, "salt">;
  /** How each choice is to be read; a parser reads one. */
  reading: () => Reading;
  /** A named tool choice ends with "stop", others with "tool_calls". */
  namedTool: boolean;
}

/** The messages of a body. Throws ApiError 400. */
function readMessages(body: Json): ChatMessage[] {
  const { messages } = body;
  if (messages === undefined) throw invalidBody("missing", "messages", "Field required");
  if (!Array.isArray(messages)) {
    throw invalidBody("list_type", "messages", "Input should be a valid list");
  }
  if (messages.length === 0) throw badParameter("List should have at least 1 item", "messages");
  for (const message of messages) {
    if (typeof message?.role !== "string") {
      throw invalidBody("missing", "messages.0.role", "Field required");
    }
  }
  return messages;
}

/** The prompt's text of a chat body; /tokenize uses it too. Throws ApiError 400. */
export function chatPrompt(body: Json, engine: Engine): string {
  const messages = readMessages(body);
  const continueFinalMessage = body.continue_final_message === true;
  if (continueFinalMessage && (body.add_generation_prompt ?? true) === true) {
    throw invalidBody(
      "value_error",
      "",
      "Value error, Cannot set both `continue_final_message` and `add_generation_prompt` to True.",
    );
  }
  const last = messages[messages.length - 1];
  if (
    continueFinalMessage && contentText(last.content) === "" &&
    !(last.reasoning ?? last.reasoning_content)
  ) {
    throw badParameter(
      "continue_final_message is set but the final message does not appear in the chat after " +
        "applying the chat template!",
    );
  }
  const tools = body.tool_choice === "none" ? undefined : body.tools;
  return render(messages, {
    tools: Array.isArray(tools) ? tools : undefined,
    addGenerationPrompt: body.add_generation_prompt !== false,
    continueFinalMessage,
    beforeAnswer: knowsThinking(engine) && !thinks(body) ? EMPTY_THOUGHT : "",
  });
}

/** Reads a chat body. Throws ApiError 400. */
export function readChat(body: Json, exchange: Exchange, engine: Engine): ChatRequest {
  const ids = engine.encode(chatPrompt(body, engine));
  const sampling = readSampling(body, exchange);
  const completion = readSampling(body, exchange, "max_completion_tokens").maxTokens;
  const tools = readTools(body);
  const { reasoningParser } = engine.options;
  // Parsers have special tokens shown to themselves and leave out those that are no marks; one of thoughts
  // that has none to look for lets all text pass.
  const callsTools = Array.isArray(body.tools) && body.tool_choice !== "none";
  const parses = knowsThinking(engine) || callsTools;
  return {
    ids,
    sampling,
    maxTokens: room(ids.length, completion ?? sampling.maxTokens, engine.options.maxModelLen),
    plan: {
      seed: engine.options.seed,
      speech: engine.options,
      encode: engine.encode,
      tokens: exchange.tokens,
      reasoningTokens: thinks(body) ? engine.options.reasoningTokens : 0,
      answer: engine.options.answer,
      forcedTools: tools,
      allowTools: true,
    },
    reading: () => ({
      as: "parts",
      parser: reasoningParser && new ReasoningParser(reasoningParser, ids, thinks(body)),
      skipSpecialTokens: parses ? callsTools || thinks(body) : sampling.skipSpecialTokens,
    }),
    namedTool: tools?.bare === true,
  };
}

/** True where the model's template has a place for thoughts. */
function knowsThinking({ options }: Engine): boolean {
  return options.reasoningTokens > 0 || options.reasoningParser !== null;
}

function thinks(body: Json): boolean {
  return (body.chat_template_kwargs as Json | undefined)?.enable_thinking !== false;
}

/** The answers that a chat request asks for. */
export function chatAnswers(request: ChatRequest): Job["answers"] {
  return request.sampling.salts.map((salt) => ({
    ids: request.ids,
    plan: { ...request.plan, salt },
    limits: { ...request.sampling.limits, maxTokens: request.maxTokens },
    reading: request.reading(),
  }));
}

function readTools(body: Json): { tools: Tool[]; bare: boolean } | null {
  const given = body.tools ?? null;
  const choice = body.tool_choice ?? null;
  if (given === null) {
    if (choice !== null && choice !== "none") {
      throw invalidBody(
        "value_error",
        "",
        "Value error, When using `tool_choice`, `tools` must be set.",
      );
    }
    return null;
  }
  if (!Array.isArray(given) || given.length === 0) {
    throw invalidBody(
      "too_short",
      "tools",
      "List should have at least 1 item after validation, not 0",
    );
  }
  const tools = given.map(readTool).filter((tool) => tool !== null);
  if (choice === "required") return { tools: tools.slice(0, 1), bare: false };
  if (typeof choice !== "object" || choice === null) return null;
  const name = readTool(choice)?.name;
  const named = tools.filter((tool) => tool.name === name);
  if (named.length === 0) {
    throw invalidBody(
      "value_error",
      "",
      "Value error, The tool specified in `tool_choice` does not match any of the specified `tools`",
    );
  }
  return { tools: named, bare: true };
}

// POST /v1/messages and /v1/messages/count_tokens: Anthropic's dialect, as vLLM speaks it.

import { answerChat, type Counts } from "./answer.ts";
import { chatPrompt } from "./chat_request.ts";
import type { Engine } from "./engine.ts";
import { type ApiError, invalidBody } from "./errors.ts";
import { EventStream } from "./event_stream.ts";
import { type Exchange, type Json, sendJson } from "./exchange.ts";
import { chatBody } from "./messages_chat.ts";
import type { Said } from "./said.ts";
import type { Step } from "./step.ts";

/** Answers with the number of tokens of the prompt. */
export function countTokens(exchange: Exchange, engine: Engine, body: Json): void {
  const ids = engine.encode(chatPrompt(chatBody(body), engine));
  sendJson(exchange, { input_tokens: ids.length });
}

/** Answers a message. Throws ApiError before anything was sent. */
export function messages(exchange: Exchange, engine: Engine, body: Json): void {
  if (body.max_tokens === undefined) throw invalidBody("missing", "max_tokens", "Field required");
  const head = {
    id: `chatcmpl-${exchange.id}`,
    type: "message",
    role: "assistant",
    model: body.model ?? engine.model,
  };
  let blocks: Blocks | null = null;
  answerChat(
    exchange,
    engine,
    chatBody(body),
    () => {
      if (body.stream !== true) return null;
      const events = new EventStream(
        exchange,
        engine.options,
        (error) =>
          event("error", { error: { type: error.type, message: error.message } }) +
          "data: [DONE]\n\n",
      );
      const written = blocks = new Blocks(events, exchange.id);
      return {
        events,
        listener: {
          started: (counts) =>
            events.send(event("message_start", {
              message: {
                ...head,
                content: [],
                stop_reason: null,
                stop_sequence: null,
                usage: usage(counts, 0),
              },
            })),
          tokens: (step) => written.tokens(step),
          failed: (error) => {
            events.send(event("error", { error: lost(error) }));
            events.end();
          },
        },
      };
    },
    (said, counts) => {
      // A stream that is aborted before its first token ends as if all had been said.
      const untold = blocks !== null && counts.completion === 0 && said.finish === "abort";
      const reason = {
        stop_reason: untold ? "end_turn" : stopReason(said),
        stop_sequence: stopSequence(said),
      };
      if (blocks) {
        blocks.end(reason, usage(counts, counts.completion));
        return;
      }
      sendJson(exchange, {
        ...head,
        content: content(said, exchange.id),
        // A whole message leaves out what is null.
        ...Object.fromEntries(Object.entries(reason).filter(([, value]) => value !== null)),
        usage: usage(counts, counts.completion),
      });
    },
  );
}

/** vLLM takes its own error event for a chunk of chat, and tells of that. */
function lost(error: ApiError): Json {
  return {
    type: "internal_error",
    message: "2 validation errors for ChatCompletionStreamResponse\nmodel\n  Field required " +
      `[type=missing, input_value=${JSON.stringify({ error: error.object() })}]`,
  };
}

/** Writes the content blocks of a streamed message. */
class Blocks {
  #index = -1;
  #open: string | null = null;

  constructor(private readonly events: EventStream, private readonly id: string) {}

  tokens(step: Step): void {
    if (step.reasoning !== "") {
      this.#begin("thinking", { type: "thinking", thinking: "", signature: "" });
      this.#delta({ type: "thinking_delta", thinking: step.reasoning });
    }
    if (step.content !== "") {
      this.#begin("text", { type: "text", text: "" });
      this.#delta({ type: "text_delta", text: step.content });
    }
    for (const call of step.calls) {
      if (call.name !== null) {
        const id = toolId(this.id, call.index);
        this.#begin(`call ${call.index}`, { type: "tool_use", id, name: call.name, input: {} });
      }
      if (call.arguments !== "") {
        this.#delta({ type: "input_json_delta", partial_json: call.arguments });
      }
    }
  }

  end(reason: Json, usage: Json): void {
    this.#close();
    this.events.send(event("message_delta", { delta: reason, usage }));
    this.events.send(event("message_stop", {}));
    this.events.end();
  }

  #begin(name: string, block: Json): void {
    if (this.#open === name) return;
    this.#close();
    this.#open = name;
    this.#index++;
    this.events.send(
      event("content_block_start", { index: this.#index, content_block: block }),
    );
  }

  #delta(delta: Json): void {
    this.events.send(event("content_block_delta", { index: this.#index, delta }));
  }

  #close(): void {
    if (this.#open === null) return;
    this.#open = null;
    this.events.send(event("content_block_stop", { index: this.#index }));
  }
}

function event(type: string, data: Json): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}

function toolId(id: string, index: number): string {
  return `chatcmpl-tool-${id.replace(/\W/g, "")}${index}`;
}

function usage(counts: Counts, output: number): Json {
  return {
    // As Anthropic and vLLM count: what was found in the cache is beside it.
    input_tokens: counts.prompt - counts.cached,
    output_tokens: output,
    cache_read_input_tokens: counts.cached,
  };
}

function content(said: Said, id: string): Json[] {
  const blocks: Json[] = [];
  if (said.reasoning) blocks.push({ type: "thinking", thinking: said.reasoning, signature: "" });
  if (said.content || (said.finish === "abort" && blocks.length === 0)) {
    blocks.push({ type: "text", text: said.content });
  }
  said.calls.forEach((call, index) => {
    blocks.push({
      type: "tool_use",
      id: toolId(id, index),
      name: call.name,
      input: parsed(call.arguments),
    });
  });
  return blocks;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Cut by max_tokens: there is no whole input to show.
    return {};
  }
}

/** Null for an aborted message: vLLM has no word for that here. */
function stopReason(said: Said): string | null {
  if (said.calls.length > 0 && said.finish !== "length") return "tool_use";
  if (said.finish === "length") return "max_tokens";
  if (said.finish === "abort") return null;
  return stopSequence(said) === null ? "end_turn" : "stop_sequence";
}

function stopSequence(said: Said): string | null {
  return typeof said.stopReason === "string" ? said.stopReason : null;
}

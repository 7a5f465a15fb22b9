// POST /v1/chat/completions, streamed and not.

import type { Choice, Step } from "./choice.ts";
import type { Engine } from "./engine.ts";
import { badParameter, invalidBody } from "./errors.ts";
import { EventStream } from "./event_stream.ts";
import { type Exchange, type Json, sendJson } from "./exchange.ts";
import { chatLogprob } from "./logprobs.ts";
import { type PlanOptions, readTool, type Tool } from "./plan.ts";
import { readSampling, room, type Sampling, streamOptions, usage } from "./sampling.ts";
import { type ChatMessage, contentText, render } from "./template.ts";
import { encode } from "./tokenizer.ts";

/** A chat request that has been read. */
export interface ChatRequest {
  ids: number[];
  sampling: Sampling;
  maxTokens: number;
  plan: Omit<PlanOptions, "salt">;
  /** A named tool choice ends with "stop", others with "tool_calls". */
  namedTool: boolean;
}

/** The messages of a body. Throws ApiError 400. */
export function readMessages(body: Json): ChatMessage[] {
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
export function chatPrompt(body: Json): string {
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
  });
}

/** Reads a chat body. Throws ApiError 400. */
export function readChat(body: Json, exchange: Exchange, engine: Engine): ChatRequest {
  const ids = encode(chatPrompt(body));
  const sampling = readSampling(body, exchange);
  const completion = readSampling(body, exchange, "max_completion_tokens").maxTokens;
  const tools = readTools(body);
  return {
    ids,
    sampling,
    maxTokens: room(ids.length, completion ?? sampling.maxTokens, engine.options.maxModelLen),
    plan: {
      seed: engine.options.seed,
      tokens: exchange.tokens,
      reasoningTokens: thinks(body) ? engine.options.reasoningTokens : 0,
      answer: engine.options.answer,
      forcedTools: tools,
      allowTools: true,
    },
    namedTool: tools?.bare === true,
  };
}

function thinks(body: Json): boolean {
  return (body.chat_template_kwargs as Json | undefined)?.enable_thinking !== false;
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

/** Answers a chat request. Throws ApiError before anything was sent. */
export function chat(exchange: Exchange, engine: Engine, body: Json): void {
  const options = streamOptions(body);
  const top = (body.top_logprobs as number | undefined) ?? 0;
  if (top > 0 && body.logprobs !== true) {
    throw invalidBody(
      "value_error",
      "",
      "Value error, when using `top_logprobs`, `logprobs` must be set to true.",
    );
  }
  const request = readChat(body, exchange, engine);
  const answers = request.sampling.salts.map((salt) => ({
    ids: request.ids,
    plan: { ...request.plan, salt },
    limits: { ...request.sampling.limits, maxTokens: request.maxTokens },
  }));
  const cacheSalt = typeof body.cache_salt === "string" ? body.cache_salt : "";
  const answer = body.stream === true
    ? new StreamedChat(exchange, engine, body, request, options)
    : new WholeChat(exchange, engine, body, request);
  engine.generate(exchange, {
    answers,
    cacheSalt,
    started: (cached) => answer.started(cached),
    step: (index, step, choice) => answer.step(index, step, choice),
    ended: (choices) => answer.ended(choices),
    flush: () => answer.flush(),
  });
}

/** The text that `echo` repeats: the open last message. */
function echoText(body: Json): string {
  const messages = body.messages as ChatMessage[];
  if (body.echo !== true) return "";
  const last = messages[messages.length - 1];
  return last.role === "assistant" ? contentText(last.content) : "";
}

function finishReason(step: Step, calls: boolean, named: boolean): string | null {
  return step.finish === "stop" && calls && !named ? "tool_calls" : step.finish;
}

const encoder = new TextEncoder();

class StreamedChat {
  #events: EventStream;
  #head: string;
  #tail: string;
  #cached = 0;
  #completionTokens = 0;
  #called: boolean[] = [];
  #plain: boolean;
  /** Bytes before and after the text of a plain chunk, a pair a choice. */
  #frames: { before: Uint8Array; after: Uint8Array }[] = [];

  constructor(
    private readonly exchange: Exchange,
    private readonly engine: Engine,
    private readonly body: Json,
    private readonly request: ChatRequest,
    private readonly options: { usage: boolean; everyChunk: boolean },
  ) {
    this.#events = new EventStream(exchange);
    const head = {
      id: `chatcmpl-${exchange.id}`,
      object: "chat.completion.chunk",
      created: Math.floor(Date.now() / 1000),
      model: body.model ?? engine.model,
    };
    this.#head = `data: ${JSON.stringify(head).slice(0, -1)},"choices":`;
    this.#tail = "}\n\n";
    this.#plain = body.logprobs !== true && body.return_token_ids !== true && !options.everyChunk;
  }

  started(cached: number): void {
    this.#cached = cached;
    const messages = this.body.messages as ChatMessage[];
    const role = this.body.add_generation_prompt === false
      ? messages[messages.length - 1].role
      : "assistant";
    const echo = echoText(this.body);
    const promptIds = this.body.return_token_ids === true ? this.request.ids : null;
    for (let index = 0; index < this.request.sampling.n; index++) {
      this.#send(
        [{ index, delta: { role, content: "" }, logprobs: null, finish_reason: null }],
        { prompt_token_ids: promptIds, prompt_text: null },
      );
      if (echo) {
        this.#send([{ index, delta: { content: echo }, logprobs: null, finish_reason: null }]);
      }
    }
  }

  step(index: number, step: Step, choice: Choice): boolean {
    if (step.id !== null) this.#completionTokens++;
    if (!this.#events.token()) return false;
    if (this.#plain && step.channel === "content" && !step.finish) {
      if (step.text !== "") this.#sendPlain(index, step.text);
      return true;
    }
    if (step.opens) {
      this.#called[index] = true;
      const id = `chatcmpl-tool-${this.exchange.id.replace(/\W/g, "")}${index}${step.opens.index}`;
      this.#send([{
        index,
        delta: {
          tool_calls: [{
            index: step.opens.index,
            id,
            type: "function",
            function: { name: step.opens.name, arguments: "" },
          }],
        },
        logprobs: null,
        finish_reason: null,
      }]);
    }
    const delta: Json = {};
    if (step.call !== null && step.channel === "tool") {
      delta.tool_calls = [{ index: step.call, function: { arguments: step.text } }];
    } else if (step.channel === "reasoning") {
      delta[this.engine.options.reasoningField] = step.text;
    } else if (step.channel === "content" && (step.text !== "" || step.finish)) {
      delta.content = step.text;
    } else if (this.#plain && !step.finish) {
      return true;
    }
    this.#send([{
      index,
      delta,
      logprobs: this.body.logprobs === true && step.id !== null
        ? {
          content: [chatLogprob(
            step.id,
            Number(this.body.top_logprobs ?? 0),
            this.body.return_tokens_as_token_ids === true,
          )],
        }
        : null,
      finish_reason: finishReason(step, this.#called[index] === true, this.request.namedTool),
      ...step.finish ? { stop_reason: step.stopReason } : {},
      token_ids: this.body.return_token_ids === true ? (step.id === null ? [] : [step.id]) : null,
    }], this.options.everyChunk ? { usage: this.#usage(choice) } : {});
    return true;
  }

  ended(): void {
    if (this.options.usage) {
      this.#send([], {
        usage: usage(this.request.ids.length, this.#completionTokens, this.#cached),
        system_fingerprint: null,
      });
    }
    this.#events.send("data: [DONE]\n\n");
    this.#events.end();
  }

  flush(): void {
    this.#events.flush();
  }

  #usage(choice: Choice) {
    return usage(this.request.ids.length, choice.ids.length, this.#cached);
  }

  #send(choices: Json[], more: Json = {}): void {
    const rest = JSON.stringify(more).slice(1, -1);
    this.#events.send(
      this.#head + JSON.stringify(choices) + (rest === "" ? "" : `,${rest}`) + this.#tail,
    );
  }

  #sendPlain(index: number, text: string): void {
    const frame = this.#frames[index] ??= {
      before: encoder.encode(`${this.#head}[{"index":${index},"delta":{"content":`),
      after: encoder.encode(
        `},"logprobs":null,"finish_reason":null,"token_ids":null}]${this.#tail}`,
      ),
    };
    const middle = this.engine.jsonBytes(text);
    const event = new Uint8Array(frame.before.length + middle.length + frame.after.length);
    event.set(frame.before);
    event.set(middle, frame.before.length);
    event.set(frame.after, frame.before.length + middle.length);
    this.#events.sendBytes(event);
  }
}

/** What a choice has said so far. */
export interface Said {
  content: string;
  reasoning: string;
  calls: { name: string; arguments: string }[];
  finish: string | null;
  stopReason: string | number | null;
  logprobs: ReturnType<typeof chatLogprob>[];
}

/** Nothing said yet. */
export function nothingSaid(): Said {
  return { content: "", reasoning: "", calls: [], finish: null, stopReason: null, logprobs: [] };
}

/** Adds a token to what was said. */
export function say(said: Said, step: Step, named: boolean): void {
  if (step.opens) said.calls.push({ name: step.opens.name, arguments: "" });
  if (step.channel === "tool") said.calls[said.calls.length - 1].arguments += step.text;
  else if (step.channel === "reasoning") said.reasoning += step.text;
  else said.content += step.text;
  if (step.finish) {
    said.finish = finishReason(step, said.calls.length > 0, named);
    said.stopReason = step.stopReason;
  }
}

class WholeChat {
  #said: Said[];
  #cached = 0;

  constructor(
    private readonly exchange: Exchange,
    private readonly engine: Engine,
    private readonly body: Json,
    private readonly request: ChatRequest,
  ) {
    this.#said = request.sampling.salts.map(nothingSaid);
  }

  started(cached: number): void {
    this.#cached = cached;
  }

  step(index: number, step: Step): boolean {
    say(this.#said[index], step, this.request.namedTool);
    this.exchange.log.tokens_sent++;
    if (this.body.logprobs === true && step.id !== null) {
      this.#said[index].logprobs.push(chatLogprob(
        step.id,
        Number(this.body.top_logprobs ?? 0),
        this.body.return_tokens_as_token_ids === true,
      ));
    }
    return true;
  }

  ended(choices: Choice[]): void {
    const { request, body } = this;
    const echo = echoText(body);
    const withIds = body.return_token_ids === true;
    sendJson(this.exchange, {
      id: `chatcmpl-${this.exchange.id}`,
      object: "chat.completion",
      created: Math.floor(Date.now() / 1000),
      model: body.model ?? this.engine.model,
      choices: this.#said.map((said, index) => ({
        index,
        message: {
          role: "assistant",
          content: said.calls.length > 0 && said.content === "" ? null : echo + said.content,
          refusal: null,
          annotations: null,
          audio: null,
          function_call: null,
          tool_calls: said.calls.map((call, number) => ({
            id: `chatcmpl-tool-${this.exchange.id.replace(/\W/g, "")}${index}${number}`,
            type: "function",
            function: call,
          })),
          [this.engine.options.reasoningField]: said.reasoning === "" ? null : said.reasoning,
        },
        logprobs: body.logprobs === true ? { content: said.logprobs } : null,
        finish_reason: said.finish,
        stop_reason: said.stopReason,
        token_ids: withIds ? choices[index].ids : null,
      })),
      service_tier: null,
      system_fingerprint: null,
      usage: usage(
        request.ids.length,
        choices.reduce((sum, choice) => sum + choice.ids.length, 0),
        this.#cached,
      ),
      prompt_logprobs: null,
      prompt_token_ids: withIds ? request.ids : null,
      kv_transfer_params: null,
    });
  }

  flush(): void {}
}

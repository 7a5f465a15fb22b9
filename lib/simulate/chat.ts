// POST /v1/chat/completions, streamed and not.

import { chatAnswers, type ChatRequest, readChat } from "./chat_request.ts";
import type { Choice } from "./choice.ts";
import type { Engine } from "./engine.ts";
import { type ApiError, invalidBody } from "./errors.ts";
import { EventStream } from "./event_stream.ts";
import { type Exchange, type Json, sendError, sendJson } from "./exchange.ts";
import { chatLogprob, textsFrom } from "./logprobs.ts";
import { finishReason, nothingSaid, type Said, say } from "./said.ts";
import { streamOptions, usage } from "./sampling.ts";
import { type CallPart, isSilent, type Step } from "./step.ts";
import { type ChatMessage, contentText } from "./template.ts";

/** Answers a chat request. Throws ApiError before anything was sent. */
export function chat(exchange: Exchange, engine: Engine, body: Json): void {
  const options = streamOptions(body, engine.options);
  const top = (body.top_logprobs as number | undefined) ?? 0;
  if (top > 0 && body.logprobs !== true) {
    throw invalidBody(
      "value_error",
      "",
      "Value error, when using `top_logprobs`, `logprobs` must be set to true.",
    );
  }
  const request = readChat(body, exchange, engine);
  engine.admit(request.sampling.n);
  const cacheSalt = typeof body.cache_salt === "string" ? body.cache_salt : "";
  const answer = body.stream === true
    ? new StreamedChat(exchange, engine, body, request, options)
    : new WholeChat(exchange, engine, body, request);
  engine.generate(exchange, {
    answers: chatAnswers(request),
    cacheSalt,
    streamInterval: request.sampling.streamInterval,
    started: (cached) => answer.started(cached),
    step: (index, step, choice) => answer.step(index, step, choice),
    ended: (choices) => answer.ended(choices),
    failed: (error) => answer.failed(error),
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

function toolCallId(exchange: Exchange, choice: number, call: number): string {
  return `chatcmpl-tool-${exchange.id.replace(/\W/g, "")}${choice}${call}`;
}

function logprobsOf(step: Step, choice: Choice, body: Json) {
  const top = Number(body.top_logprobs ?? 0);
  const asIds = body.return_tokens_as_token_ids === true;
  const texts = textsFrom(choice.ids, choice.ids.length - step.ids.length);
  return step.ids.map((id, at) => chatLogprob(id, texts[at], top, asIds));
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
    this.#events = new EventStream(exchange, engine.options);
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
    const counted = this.options.everyChunk ? { usage: this.#usage(0) } : {};
    for (let index = 0; index < this.request.sampling.n; index++) {
      this.#send(
        [{ index, delta: { role, content: "" }, logprobs: null, finish_reason: null }],
        { ...counted, prompt_token_ids: promptIds, prompt_text: null },
      );
      if (echo) {
        const delta = { content: echo };
        this.#send([{ index, delta, logprobs: null, finish_reason: null }], counted);
      }
    }
  }

  step(index: number, step: Step, choice: Choice): boolean {
    this.#completionTokens += step.ids.length;
    if (!this.#events.tokens(step.ids.length)) return false;
    const { emptyEvents } = this.engine.options;
    const silent = isSilent(step);
    if (this.#plain && !step.finish) {
      if (silent && !emptyEvents) return true;
      if (silent || (step.reasoning === "" && step.calls.length === 0)) {
        this.#sendPlain(index, step.content);
        return true;
      }
    }
    for (const call of step.calls) if (call.name !== null) this.#open(index, call);
    const delta: Json = {};
    if (step.reasoning !== "") delta[this.engine.options.reasoningField] = step.reasoning;
    // Where nothing is parsed the content of a token without text is the empty text.
    if (step.content !== "" || (silent && (step.finish || emptyEvents))) {
      delta.content = step.content;
    }
    if (step.calls.length > 0) {
      delta.tool_calls = step.calls.map((call) => ({
        index: call.index,
        function: { arguments: call.arguments },
      }));
    }
    this.#send([{
      index,
      delta,
      logprobs: this.#logprobs(step, choice),
      finish_reason: finishReason(step, this.#called[index] === true, this.request.namedTool),
      ...step.finish ? { stop_reason: step.stopReason } : {},
      token_ids: this.body.return_token_ids === true ? step.ids : null,
    }], this.options.everyChunk ? { usage: this.#usage(choice.ids.length) } : {});
    return true;
  }

  failed(error: ApiError): void {
    this.#events.fail(error);
  }

  /** The beginning of a tool call: its id and name. */
  #open(index: number, call: CallPart): void {
    this.#called[index] = true;
    this.#send([{
      index,
      delta: {
        tool_calls: [{
          index: call.index,
          id: toolCallId(this.exchange, index, call.index),
          type: "function",
          function: { name: call.name, arguments: "" },
        }],
      },
      logprobs: null,
      finish_reason: null,
    }]);
  }

  #logprobs(step: Step, choice: Choice): Json | null {
    if (this.body.logprobs !== true) return null;
    return { content: logprobsOf(step, choice, this.body) };
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

  #usage(completionTokens: number) {
    return usage(this.request.ids.length, completionTokens, this.#cached);
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

/** Null where something else was said, but no content. */
function wholeContent(said: Said, echo: string): string | null {
  const other = said.calls.length > 0 || said.reasoning !== "";
  return other && said.content === "" ? null : echo + said.content;
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

  step(index: number, step: Step, choice: Choice): boolean {
    say(this.#said[index], step, this.request.namedTool);
    this.exchange.log.tokens_sent += step.ids.length;
    if (this.body.logprobs === true) {
      this.#said[index].logprobs.push(...logprobsOf(step, choice, this.body));
    }
    return true;
  }

  failed(error: ApiError): void {
    sendError(this.exchange, error);
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
          content: wholeContent(said, echo),
          refusal: null,
          annotations: null,
          audio: null,
          function_call: null,
          tool_calls: said.calls.map((call, number) => ({
            id: toolCallId(this.exchange, index, number),
            type: "function",
            function: call,
          })),
          [this.engine.options.reasoningField]: said.reasoning === "" ? null : said.reasoning,
        },
        logprobs: body.logprobs === true ? { content: said.logprobs } : null,
        // An engine that stops ends also what has not begun.
        finish_reason: said.finish ?? "abort",
        stop_reason: said.stopReason,
        token_ids: withIds ? choices[index]?.ids ?? [] : null,
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

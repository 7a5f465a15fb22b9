// POST /v1/completions: a text, a list of texts, token ids or a list of those, continued. There are
// no reasoning or tool parsers here, so markup is text, as in vLLM.

import type { Choice } from "./choice.ts";
import type { Engine } from "./engine.ts";
import { type ApiError, badParameter, invalidBody } from "./errors.ts";
import { EventStream } from "./event_stream.ts";
import { type Exchange, type Json, sendError, sendJson } from "./exchange.ts";
import type { Job } from "./generation.ts";
import { completionLogprobs, textsFrom } from "./logprobs.ts";
import { readSampling, room, streamOptions, usage } from "./sampling.ts";
import type { Step } from "./step.ts";
import { decode, type Encode, isTokenId } from "./tokenizer.ts";

/** The prompts of a body as token ids. Throws ApiError 400. */
export function readPrompts(prompt: unknown, encode: Encode, name = "prompt"): number[][] {
  if (prompt === undefined || prompt === null) throw invalidBody("missing", name, "Field required");
  if (typeof prompt === "string") return [encode(prompt)];
  if (!Array.isArray(prompt)) {
    throw invalidBody("string_type", name, "Input should be a valid string");
  }
  if (prompt.length === 0) {
    throw badParameter("Either prompt or prompt_embeds must be provided and non-empty.", name);
  }
  if (typeof prompt[0] === "number") return [tokenIds(prompt, name)];
  return prompt.map((one) => typeof one === "string" ? encode(one) : tokenIds(one, name));
}

function tokenIds(value: unknown, name: string): number[] {
  if (!Array.isArray(value)) throw invalidBody("int_type", name, "Input should be a valid integer");
  for (const id of value) {
    if (!isTokenId(id)) throw badParameter(`Token id ${id} is out of vocabulary`, name);
  }
  return value;
}

/** What an answer of either form is made of. */
interface Wanted {
  readonly head: Json;
  readonly answers: Job["answers"];
  readonly promptTokens: number;
  /** Ids of prompts and answers are told. */
  readonly withIds: boolean;
  /** The prompt's text where it is repeated before answer `index`. */
  echo(index: number): string;
  /** Of the tokens ids[from, …) of an answer; null where none are wanted. */
  logprobs(ids: readonly number[], from: number): Json | null;
}

/** Answers a completion request. Throws ApiError before anything was sent. */
export function completions(exchange: Exchange, engine: Engine, body: Json): void {
  if (body.suffix) throw badParameter("suffix is not currently supported", "suffix");
  const options = streamOptions(body, engine.options);
  const prompts = readPrompts(body.prompt, engine.encode);
  const sampling = readSampling(body, exchange);
  const answers = answersTo(prompts, sampling, exchange, engine);
  engine.admit(answers.length);
  const streamed = body.stream === true;
  const withIds = body.return_token_ids === true;
  const logprobs = typeof body.logprobs === "number" ? body.logprobs : null;
  const asIds = body.return_tokens_as_token_ids === true;
  // Where a stream tells the prompt's ids, vLLM leaves its text out.
  const echoes = body.echo === true && !(withIds && streamed);
  const wanted: Wanted = {
    head: {
      id: `cmpl-${exchange.id}`,
      object: "text_completion",
      created: Math.floor(Date.now() / 1000),
      model: body.model ?? engine.model,
    },
    answers,
    promptTokens: prompts.reduce((sum, ids) => sum + ids.length, 0),
    withIds,
    echo: (index) => echoes ? decode(prompts[Math.floor(index / sampling.n)]) : "",
    logprobs: (ids, from) =>
      logprobs === null
        ? null
        : completionLogprobs(ids.slice(from), textsFrom(ids, from), logprobs, asIds, 0),
  };
  const answer = streamed
    ? new StreamedCompletion(exchange, engine, wanted, options)
    : new WholeCompletion(exchange, wanted);
  engine.generate(exchange, {
    answers,
    cacheSalt: typeof body.cache_salt === "string" ? body.cache_salt : "",
    streamInterval: sampling.streamInterval,
    started: (cached) => answer.started(cached),
    step: (index, step, choice) => answer.step(index, step, choice),
    ended: (choices) => answer.ended(choices),
    failed: (error) => answer.failed(error),
    flush: () => answer.flush(),
  });
}

/** `n` for each prompt. */
function answersTo(
  prompts: readonly number[][],
  sampling: ReturnType<typeof readSampling>,
  exchange: Exchange,
  engine: Engine,
): Job["answers"] {
  // As in OpenAI's API, a completion without max_tokens has 16 tokens.
  const wanted = sampling.maxTokens ?? 16;
  return prompts.flatMap((ids) => {
    const maxTokens = room(ids.length, wanted, engine.options.maxModelLen);
    return sampling.salts.map((salt) => ({
      ids,
      plan: {
        seed: engine.options.seed,
        speech: engine.options,
        encode: engine.encode,
        salt,
        tokens: exchange.tokens,
        reasoningTokens: engine.options.reasoningTokens,
        answer: engine.options.answer,
        forcedTools: null,
        allowTools: true,
      },
      limits: { ...sampling.limits, maxTokens },
      reading: {
        as: "text" as const,
        parser: null,
        skipSpecialTokens: sampling.skipSpecialTokens,
      },
    }));
  });
}

class StreamedCompletion {
  readonly #events: EventStream;
  /** Events of each answer so far. */
  readonly #sent: number[];
  #cached = 0;
  #completionTokens = 0;

  constructor(
    exchange: Exchange,
    engine: Engine,
    private readonly wanted: Wanted,
    private readonly options: { usage: boolean; everyChunk: boolean },
  ) {
    this.#events = new EventStream(exchange, engine.options);
    this.#sent = wanted.answers.map(() => 0);
  }

  started(cached: number): void {
    this.#cached = cached;
  }

  step(index: number, step: Step, choice: Choice): boolean {
    this.#completionTokens += step.ids.length;
    if (!this.#events.tokens(step.ids.length)) return false;
    const { wanted } = this;
    const first = this.#sent[index]++ === 0;
    const { ids } = wanted.answers[index];
    this.#send({
      choices: [{
        index,
        text: (first ? wanted.echo(index) : "") + step.content,
        logprobs: wanted.logprobs(choice.ids, choice.ids.length - step.ids.length),
        finish_reason: step.finish,
        stop_reason: step.stopReason,
        prompt_token_ids: wanted.withIds && first ? ids : null,
        token_ids: wanted.withIds ? step.ids : null,
      }],
      ...this.options.everyChunk
        ? { usage: usage(ids.length, choice.ids.length, this.#cached) }
        : {},
    });
    return true;
  }

  ended(_choices: Choice[]): void {
    if (this.options.usage) {
      const counted = usage(this.wanted.promptTokens, this.#completionTokens, this.#cached);
      this.#send({ choices: [], usage: counted });
    }
    this.#events.send("data: [DONE]\n\n");
    this.#events.end();
  }

  failed(error: ApiError): void {
    this.#events.fail(error);
  }

  flush(): void {
    this.#events.flush();
  }

  #send(more: Json): void {
    this.#events.send(`data: ${JSON.stringify({ ...this.wanted.head, ...more })}\n\n`);
  }
}

class WholeCompletion {
  readonly #texts: string[];
  readonly #lastSteps: Step[] = [];
  #cached = 0;

  constructor(private readonly exchange: Exchange, private readonly wanted: Wanted) {
    this.#texts = wanted.answers.map((_, index) => wanted.echo(index));
  }

  started(cached: number): void {
    this.#cached = cached;
  }

  step(index: number, step: Step, _choice: Choice): boolean {
    this.#texts[index] += step.content;
    this.#lastSteps[index] = step;
    this.exchange.log.tokens_sent += step.ids.length;
    return true;
  }

  ended(choices: Choice[]): void {
    const { head, answers, promptTokens, withIds, logprobs } = this.wanted;
    sendJson(this.exchange, {
      ...head,
      choices: this.#texts.map((text, index) => ({
        index,
        text,
        logprobs: logprobs(choices[index]?.ids ?? [], 0),
        // An engine that stops ends also what has not begun.
        finish_reason: this.#lastSteps[index]?.finish ?? "abort",
        stop_reason: this.#lastSteps[index]?.stopReason ?? null,
        prompt_logprobs: null,
        token_ids: withIds ? choices[index]?.ids ?? [] : null,
        prompt_token_ids: withIds ? answers[index].ids : null,
      })),
      service_tier: null,
      system_fingerprint: null,
      usage: usage(
        promptTokens,
        choices.reduce((sum, choice) => sum + choice.ids.length, 0),
        this.#cached,
      ),
      kv_transfer_params: null,
    });
  }

  failed(error: ApiError): void {
    sendError(this.exchange, error);
  }

  flush(): void {}
}

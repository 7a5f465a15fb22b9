// POST /v1/completions: a text, a list of texts, token ids or a list of those, continued. There are
// no reasoning or tool parsers here, so markup is text, as in vLLM.

import type { Choice } from "./choice.ts";
import type { Engine } from "./engine.ts";
import { badParameter, invalidBody } from "./errors.ts";
import { EventStream } from "./event_stream.ts";
import { type Exchange, type Json, sendError, sendJson } from "./exchange.ts";
import { completionLogprobs } from "./logprobs.ts";
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

/** Answers a completion request. Throws ApiError before anything was sent. */
export function completions(exchange: Exchange, engine: Engine, body: Json): void {
  if (body.suffix) throw badParameter("suffix is not currently supported", "suffix");
  const options = streamOptions(body, engine.options);
  const prompts = readPrompts(body.prompt, engine.encode);
  const sampling = readSampling(body, exchange);
  // As in OpenAI's API, a completion without max_tokens has 16 tokens.
  const wanted = sampling.maxTokens ?? 16;
  const answers = prompts.flatMap((ids) => {
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
  engine.admit(answers.length);
  const promptTokens = prompts.reduce((sum, ids) => sum + ids.length, 0);
  const withIds = body.return_token_ids === true;
  const logprobs = typeof body.logprobs === "number" ? body.logprobs : null;
  const asIds = body.return_tokens_as_token_ids === true;
  const head = {
    id: `cmpl-${exchange.id}`,
    object: "text_completion",
    created: Math.floor(Date.now() / 1000),
    model: body.model ?? engine.model,
  };
  const cacheSalt = typeof body.cache_salt === "string" ? body.cache_salt : "";
  // Where a stream tells the prompt's ids, vLLM leaves its text out.
  const echo = (index: number) =>
    body.echo === true && !(withIds && body.stream === true)
      ? decode(prompts[Math.floor(index / sampling.n)])
      : "";
  let cached = 0;
  const { streamInterval } = sampling;

  if (body.stream === true) {
    const events = new EventStream(exchange, engine.options);
    const sent = answers.map(() => 0);
    let completionTokens = 0;
    const send = (more: Json) => events.send(`data: ${JSON.stringify({ ...head, ...more })}\n\n`);
    engine.generate(exchange, {
      answers,
      cacheSalt,
      streamInterval,
      started: (tokens) => {
        cached = tokens;
      },
      step: (index, step, choice) => {
        completionTokens += step.ids.length;
        if (!events.tokens(step.ids.length)) return false;
        const first = sent[index]++ === 0;
        const text = (first ? echo(index) : "") + step.content;
        send({
          choices: [{
            index,
            text,
            logprobs: logprobs === null ? null : completionLogprobs(step.ids, logprobs, asIds, 0),
            finish_reason: step.finish,
            stop_reason: step.stopReason,
            prompt_token_ids: withIds && first ? answers[index].ids : null,
            token_ids: withIds ? step.ids : null,
          }],
          ...options.everyChunk
            ? { usage: usage(answers[index].ids.length, choice.ids.length, cached) }
            : {},
        });
        return true;
      },
      ended: () => {
        if (options.usage) {
          send({ choices: [], usage: usage(promptTokens, completionTokens, cached) });
        }
        events.send("data: [DONE]\n\n");
        events.end();
      },
      failed: (error) => events.fail(error),
      flush: () => events.flush(),
    });
    return;
  }

  const texts = answers.map((_, index) => echo(index));
  const lastSteps: Step[] = [];
  engine.generate(exchange, {
    answers,
    cacheSalt,
    streamInterval,
    started: (tokens) => {
      cached = tokens;
    },
    step: (index, step) => {
      texts[index] += step.content;
      lastSteps[index] = step;
      exchange.log.tokens_sent += step.ids.length;
      return true;
    },
    ended: (choices: Choice[]) => {
      sendJson(exchange, {
        ...head,
        choices: texts.map((text, index) => ({
          index,
          text,
          logprobs: logprobs === null
            ? null
            : completionLogprobs(choices[index]?.ids ?? [], logprobs, asIds, 0),
          // An engine that stops ends also what has not begun.
          finish_reason: lastSteps[index]?.finish ?? "abort",
          stop_reason: lastSteps[index]?.stopReason ?? null,
          prompt_logprobs: null,
          token_ids: withIds ? choices[index]?.ids ?? [] : null,
          prompt_token_ids: withIds ? answers[index].ids : null,
        })),
        service_tier: null,
        system_fingerprint: null,
        usage: usage(
          promptTokens,
          choices.reduce((sum, choice) => sum + choice.ids.length, 0),
          cached,
        ),
        kv_transfer_params: null,
      });
    },
    failed: (error) => sendError(exchange, error),
    flush: () => {},
  });
}

// POST /v1/completions: a text, a list of texts, token ids or a list of those, continued. There are
// no reasoning or tool parsers here, so markup is text, as in vLLM.

import type { Choice, Step } from "./choice.ts";
import type { Engine } from "./engine.ts";
import { badParameter, invalidBody } from "./errors.ts";
import { EventStream } from "./event_stream.ts";
import { type Exchange, type Json, sendJson } from "./exchange.ts";
import { completionLogprobs } from "./logprobs.ts";
import { readSampling, room, streamOptions, usage } from "./sampling.ts";
import { decode, encode, isTokenId, tokenText } from "./tokenizer.ts";

/** The prompts of a body as token ids. Throws ApiError 400. */
export function readPrompts(prompt: unknown, name = "prompt"): number[][] {
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
  const options = streamOptions(body);
  const prompts = readPrompts(body.prompt);
  const sampling = readSampling(body, exchange);
  // As in OpenAI's API, a completion without max_tokens has 16 tokens.
  const wanted = sampling.maxTokens ?? 16;
  const answers = prompts.flatMap((ids) => {
    const maxTokens = room(ids.length, wanted, engine.options.maxModelLen);
    return sampling.salts.map((salt) => ({
      ids,
      plan: {
        seed: engine.options.seed,
        salt,
        tokens: exchange.tokens,
        reasoningTokens: engine.options.reasoningTokens,
        answer: engine.options.answer,
        forcedTools: null,
        allowTools: true,
      },
      limits: { ...sampling.limits, maxTokens },
    }));
  });
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
  const echo = (index: number) =>
    body.echo === true ? decode(prompts[Math.floor(index / sampling.n)]) : "";
  let cached = 0;
  /** The text of a token: what the plan calls markup or tool call is plain text here. */
  const shown = (step: Step) =>
    step.channel === "markup" && step.id !== null ? tokenText(step.id) : step.text;

  if (body.stream === true) {
    const events = new EventStream(exchange);
    const sent = answers.map(() => 0);
    let completionTokens = 0;
    const send = (more: Json) => events.send(`data: ${JSON.stringify({ ...head, ...more })}\n\n`);
    engine.generate(exchange, {
      answers,
      cacheSalt,
      started: (tokens) => {
        cached = tokens;
      },
      step: (index, step, choice) => {
        if (step.id !== null) completionTokens++;
        if (!events.token()) return false;
        const first = sent[index]++ === 0;
        const text = (first ? echo(index) : "") + shown(step);
        if (text === "" && !step.finish && !withIds && logprobs === null) return true;
        send({
          choices: [{
            index,
            text,
            logprobs: logprobs === null || step.id === null
              ? null
              : completionLogprobs([step.id], logprobs, asIds, 0),
            finish_reason: step.finish,
            stop_reason: step.stopReason,
            prompt_token_ids: withIds && first ? answers[index].ids : null,
            token_ids: withIds ? (step.id === null ? [] : [step.id]) : null,
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
      flush: () => events.flush(),
    });
    return;
  }

  const texts = answers.map((_, index) => echo(index));
  const lastSteps: Step[] = [];
  engine.generate(exchange, {
    answers,
    cacheSalt,
    started: (tokens) => {
      cached = tokens;
    },
    step: (index, step) => {
      texts[index] += shown(step);
      lastSteps[index] = step;
      exchange.log.tokens_sent++;
      return true;
    },
    ended: (choices: Choice[]) => {
      sendJson(exchange, {
        ...head,
        choices: choices.map((choice, index) => ({
          index,
          text: texts[index],
          logprobs: logprobs === null ? null : completionLogprobs(choice.ids, logprobs, asIds, 0),
          finish_reason: lastSteps[index].finish,
          stop_reason: lastSteps[index].stopReason,
          prompt_logprobs: null,
          token_ids: withIds ? choice.ids : null,
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
    flush: () => {},
  });
}

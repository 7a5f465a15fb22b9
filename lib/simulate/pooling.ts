// Embeddings, scores and classes: vLLM's shapes with numbers that depend on the tokens alone. Texts
// that share words get vectors that point in similar directions.

import { readPrompts } from "./completions.ts";
import type { Engine } from "./engine.ts";
import { invalidBody } from "./errors.ts";
import { type Exchange, type Json, sendJson } from "./exchange.ts";
import { scramble } from "./model.ts";
import { room } from "./sampling.ts";

const DIMENSIONS = 64;

function vector(ids: readonly number[], dimensions: number): number[] {
  const sums = new Array<number>(dimensions).fill(0);
  for (const id of ids) {
    for (let at = 0; at < dimensions; at++) {
      sums[at] += (scramble(id * 1009 + at) | 0) / 2 ** 31;
    }
  }
  const length = Math.hypot(...sums) || 1;
  return sums.map((sum) => sum / length);
}

function similarity(one: readonly number[], two: readonly number[]): number {
  const [a, b] = [vector(one, DIMENSIONS), vector(two, DIMENSIONS)];
  return (1 + a.reduce((sum, value, at) => sum + value * b[at], 0)) / 2;
}

function usage(prompts: readonly number[][]): Json {
  const tokens = prompts.reduce((sum, ids) => sum + ids.length, 0);
  return { prompt_tokens: tokens, total_tokens: tokens, completion_tokens: 0 };
}

/** Answers after the time that prompts take. */
function answer(exchange: Exchange, engine: Engine, prompts: number[][], body: Json): void {
  for (const ids of prompts) room(ids.length, 1, engine.options.maxModelLen);
  engine.metrics.promptTokens += prompts.reduce((sum, ids) => sum + ids.length, 0);
  const timer = setTimeout(() => {
    engine.metrics.finish("stop");
    sendJson(exchange, body);
  }, exchange.ttftS * 1000);
  exchange.reply.onAbort(() => {
    engine.metrics.finish("abort");
  });
  exchange.reply.onFinish(() => clearTimeout(timer));
}

function head(exchange: Exchange, engine: Engine, prefix: string, body: Json): Json {
  return {
    id: `${prefix}-${exchange.id}`,
    object: "list",
    created: Math.floor(Date.now() / 1000),
    model: body.model ?? engine.model,
  };
}

/** POST /v1/embeddings. */
export function embeddings(exchange: Exchange, engine: Engine, body: Json): void {
  const prompts = readPrompts(body.input, engine.encode, "input");
  const dimensions = typeof body.dimensions === "number" ? body.dimensions : DIMENSIONS;
  const data = prompts.map((ids, index) => {
    const values = vector(ids, dimensions);
    return {
      index,
      object: "embedding",
      embedding: body.encoding_format === "base64" ? base64(values) : values,
    };
  });
  const whole = { ...head(exchange, engine, "embd", body), data, usage: usage(prompts) };
  answer(exchange, engine, prompts, whole);
}

/** POST /pooling. */
export function pooling(exchange: Exchange, engine: Engine, body: Json): void {
  const prompts = readPrompts(body.input, engine.encode, "input");
  const data = prompts.map((ids, index) => ({
    index,
    object: "pooling",
    data: vector(ids, DIMENSIONS),
  }));
  const whole = { ...head(exchange, engine, "pool", body), data, usage: usage(prompts) };
  answer(exchange, engine, prompts, whole);
}

/** POST /classify. */
export function classify(exchange: Exchange, engine: Engine, body: Json): void {
  const prompts = readPrompts(body.input, engine.encode, "input");
  const data = prompts.map((ids, index) => {
    const positive = (1 + vector(ids, 1)[0] * 0.5) / 2;
    return {
      index,
      label: positive >= 0.5 ? "LABEL_1" : "LABEL_0",
      probs: [1 - positive, positive],
      num_classes: 2,
    };
  });
  const whole = { ...head(exchange, engine, "classify", body), data, usage: usage(prompts) };
  answer(exchange, engine, prompts, whole);
}

/** POST /score and /v1/score. */
export function score(exchange: Exchange, engine: Engine, body: Json): void {
  const first = readPrompts(body.text_1 ?? body.queries ?? body.data_1, engine.encode, "text_1");
  const second = readPrompts(body.text_2 ?? body.documents ?? body.data_2, engine.encode, "text_2");
  const data = second.map((ids, index) => ({
    index,
    object: "score",
    score: similarity(first[first.length === 1 ? 0 : index] ?? first[0], ids),
  }));
  const prompts = [...first, ...second];
  const whole = { ...head(exchange, engine, "score", body), data, usage: usage(prompts) };
  answer(exchange, engine, prompts, whole);
}

/** POST /rerank, /v1/rerank and /v2/rerank. */
export function rerank(exchange: Exchange, engine: Engine, body: Json): void {
  if (!Array.isArray(body.documents)) throw invalidBody("missing", "documents", "Field required");
  const texts = body.documents.map((document) =>
    typeof document === "string" ? document : String((document as Json)?.text ?? "")
  );
  const [query] = readPrompts(body.query, engine.encode, "query");
  const documents = readPrompts(texts, engine.encode, "documents");
  const top = typeof body.top_n === "number" && body.top_n > 0 ? body.top_n : documents.length;
  const results = documents
    .map((ids, index) => ({
      index,
      document: { text: texts[index] },
      relevance_score: similarity(query, ids),
    }))
    .sort((a, b) => b.relevance_score - a.relevance_score)
    .slice(0, top);
  const prompts = [query, ...documents];
  answer(exchange, engine, prompts, {
    id: `rerank-${exchange.id}`,
    model: body.model ?? engine.model,
    usage: { total_tokens: usage(prompts).total_tokens },
    results,
  });
}

function base64(values: readonly number[]): string {
  const bytes = new Uint8Array(new Float32Array(values).buffer);
  return btoa(String.fromCharCode(...bytes));
}

// What an instance generates with: its options, prefix cache, places to run, clock and counters, and
// the one loop that moves answers on. How answers are written down is left to the dialects.

import { Choice, type Limits, type Step } from "./choice.ts";
import type { Exchange } from "./exchange.ts";
import { Metrics } from "./metrics.ts";
import type { Pacer } from "./pacing.ts";
import { plan, type PlanOptions } from "./plan.ts";
import { BLOCK_SIZE, PrefixCache } from "./prefix_cache.ts";

/** How an instance behaves; everything is optional, the defaults are those of `simulate`. */
export interface EngineOptions {
  /** Names the model is served under; the first is the main one. */
  models: readonly string[];
  /** Seconds to the first token of a prompt that is not cached. */
  ttftS: number;
  /** Tokens a second of one answer; 0 for as fast as they are read. */
  tokensPerSecond: number;
  maxModelLen: number;
  apiKey: string | null;
  /** Tokens of reasoning before each answer; 0 for none. */
  reasoningTokens: number;
  reasoningField: "reasoning" | "reasoning_content";
  /** What to answer; null for the model's own words. */
  answer: string | null;
  /** Tokens of text an answer has; null for a length that the prompt decides. */
  tokens: number | null;
  /** Instances with the same seed give the same answers. */
  seed: number;
  /** Requests that run at once, others wait; 0 for any number. */
  maxNumSeqs: number;
  /** Size of the prefix cache in blocks of 16 tokens; 0 for none. */
  cacheBlocks: number;
}

/** What is to be generated. */
export interface Job {
  /** One answer each. */
  answers: { ids: readonly number[]; plan: PlanOptions; limits: Limits }[];
  cacheSalt: string;
  /** Called once, when the first token is there. */
  started(cachedTokens: number): void;
  /** Called for each token of answer `index`; false ends the job. */
  step(index: number, step: Step, choice: Choice): boolean;
  /** Called after the last token of the last answer, not when the job ended early. */
  ended(choices: Choice[]): void;
  /** Called after the tokens of one turn. */
  flush(): void;
}

export class Engine {
  readonly metrics = new Metrics();
  readonly cache: PrefixCache;
  /** Set once the engine is lost. */
  dead = false;
  #queue: (() => void)[] = [];
  #cachedBlocksInUse = 0;
  #jsonBytes = new Map<string, Uint8Array>();

  constructor(readonly options: EngineOptions, private readonly pacer: Pacer) {
    this.cache = new PrefixCache(options.cacheBlocks);
  }

  /** The name that answers carry. */
  get model(): string {
    return this.options.models[0];
  }

  /** The bytes of a token's text as JSON; kept, because the same few words come all the time. */
  jsonBytes(text: string): Uint8Array {
    let bytes = this.#jsonBytes.get(text);
    if (!bytes) {
      bytes = new TextEncoder().encode(JSON.stringify(text));
      if (this.#jsonBytes.size < 4096) this.#jsonBytes.set(text, bytes);
    }
    return bytes;
  }

  /** The text of GET /metrics. */
  metricsText(): string {
    return this.metrics.text(this.model, {
      queries: this.cache.queries,
      hits: this.cache.hits,
      usage: Math.min(1, this.#cachedBlocksInUse / Math.max(1, this.cache.capacity)),
      blocks: this.cache.capacity,
      blockSize: BLOCK_SIZE,
    });
  }

  /** Generates; ends at once when the client leaves. */
  generate(exchange: Exchange, job: Job): void {
    const arrivedMs = performance.now();
    let cancel = () => {};
    let over = false;
    let running = false;
    const blocks = Math.ceil(Math.max(...job.answers.map(({ ids }) => ids.length)) / BLOCK_SIZE);
    const begin = () => {
      if (over) return;
      if (running) return;
      running = true;
      this.metrics.running++;
      this.#cachedBlocksInUse += blocks;
      cancel = this.#run(exchange, job, arrivedMs);
    };
    exchange.reply.onAbort(() => {
      this.metrics.finish("abort");
    });
    exchange.reply.onFinish(() => {
      over = true;
      cancel();
      if (running) {
        this.metrics.running--;
        this.#cachedBlocksInUse -= blocks;
        this.#next();
      } else {
        this.metrics.waiting--;
        this.#queue = this.#queue.filter((waiting) => waiting !== begin);
      }
    });
    if (this.options.maxNumSeqs > 0 && this.metrics.running >= this.options.maxNumSeqs) {
      this.metrics.waiting++;
      this.#queue.push(begin);
    } else {
      begin();
    }
  }

  #next(): void {
    const next = this.#queue.shift();
    if (!next) return;
    this.metrics.waiting--;
    next();
  }

  #run(exchange: Exchange, job: Job, arrivedMs: number): () => void {
    const { metrics } = this;
    metrics.observe("request_queue_time_seconds", (performance.now() - arrivedMs) / 1000);
    const prompts = [...new Set(job.answers.map(({ ids }) => ids))];
    let cached = 0;
    let total = 0;
    for (const ids of prompts) {
      cached += this.cache.lookUp(ids, job.cacheSalt);
      total += ids.length;
      metrics.promptTokens += ids.length;
      metrics.observe("request_prompt_tokens", ids.length);
    }
    metrics.promptTokensCached += cached;
    const choices = job.answers.map(({ ids, plan: options, limits }) =>
      new Choice(plan(ids, options), options.salt, limits)
    );
    const ttftMs = exchange.ttftS * 1000 * (total === 0 ? 1 : (total - cached) / total);
    const intervalMs = exchange.tokensPerSecond > 0 ? 1000 / exchange.tokensPerSecond : 0;
    let started = false;
    let lastMs = 0;
    const step = (): boolean => {
      const now = performance.now();
      if (!started) {
        started = true;
        metrics.observe("time_to_first_token_seconds", (now - arrivedMs) / 1000);
        job.started(cached);
      } else {
        metrics.observe("inter_token_latency_seconds", (now - lastMs) / 1000);
      }
      lastMs = now;
      let left = false;
      for (let index = 0; index < choices.length; index++) {
        const choice = choices[index];
        if (choice.finished) continue;
        const made = choice.step();
        if (made.id !== null) metrics.generationTokens++;
        if (!job.step(index, made, choice)) return true;
        if (!choice.finished) left = true;
        else {
          metrics.finish(made.finish ?? "stop");
          metrics.observe("request_generation_tokens", choice.ids.length);
        }
      }
      if (left) return false;
      metrics.observe("e2e_request_latency_seconds", (now - arrivedMs) / 1000);
      choices.forEach((choice, index) =>
        this.cache.store([...job.answers[index].ids, ...choice.ids], job.cacheSalt)
      );
      job.ended(choices);
      return true;
    };
    const running = this.pacer.start(
      { step, blocked: () => exchange.reply.backlogged, flush: () => job.flush() },
      ttftMs,
      intervalMs,
    );
    return () => running.cancel();
  }
}

// What an instance generates with: its options, prefix cache, places to run, clock and counters. One
// request's answers are left to generation.ts, how they are written down to the dialects.

import { busy, engineDead } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { Generation, type Job } from "./generation.ts";
import { type Family, Metrics, type SleepState } from "./metrics.ts";
import type { Speech } from "./model.ts";
import { Blocks } from "./blocks.ts";
import { Prefill } from "./prefill.ts";
import type { Pacer } from "./pacing.ts";
import { BLOCK_SIZE, PrefixCache } from "./prefix_cache.ts";
import type { ReasoningParserName } from "./parsers.ts";
import { type Encode, encode, encodeBytes } from "./tokenizer.ts";

/** How an instance behaves; everything is optional, the defaults are those of `simulate`. */
export interface EngineOptions extends Speech {
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
  /** Tells reasoning from content by the marks in an answer; null: by what the model means. */
  reasoningParser: ReasoningParserName | null;
  /** Requests that run at once, others wait; 0 for any number. */
  maxNumSeqs: number;
  /** Requests that run and wait at most, others are refused as vLLM does when full; 0 for any number. */
  maxNumQueuedReqs: number;
  /** Tokens an event, the first one's apart. */
  streamInterval: number;
  /**
   * Share of tokens that leave together with the next one, as all do whose reader is slow; 0 for a
   * stream that waits for its reader and sends each token by itself.
   */
  coalesce: number;
  /** Usage in every chunk of every stream. */
  forceIncludeUsage: boolean;
  /** Tokens without text have an event in chat too, as where vLLM runs without any parser. */
  emptyEvents: boolean;
  /** The head of a stream leaves with its first token, not before. */
  lateHead: boolean;
  /** /sleep, /pause and their kin are there. */
  devMode: boolean;
  /** Size of the prefix cache in blocks of 16 tokens; 0 for none. */
  cacheBlocks: number;
  /** Data-parallel ranks: engines with a cache and a queue each, behind one address. */
  ranks: number;
  /**
   * Tokens of prompts that the engine computes in a second, one prompt after another, in place of `ttftS`;
   * 0 for prompts that do not hinder each other. With it requests that need more blocks than there are
   * lose theirs and are computed anew.
   */
  prefillTokensPerSecond: number;
}

export class Engine {
  readonly metrics = new Metrics();
  readonly cache: PrefixCache;
  readonly encode: Encode;
  /** Set once the engine is lost. */
  dead = false;
  /** True while no token is made: hung, asleep or paused. */
  halted = false;
  #queue: (() => void)[] = [];
  #jobs = new Set<Generation>();
  #jsonBytes = new Map<string, Uint8Array>();
  readonly prefill: Prefill | null;
  readonly blocks: Blocks;

  constructor(readonly options: EngineOptions, private readonly pacer: Pacer) {
    this.cache = new PrefixCache(options.cacheBlocks);
    const { prefillTokensPerSecond } = options;
    this.prefill = prefillTokensPerSecond > 0 ? new Prefill(prefillTokensPerSecond) : null;
    this.blocks = new Blocks(this.prefill === null ? 0 : options.cacheBlocks);
    this.encode = options.byteTokens ? encodeBytes : encode;
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

  /** Throws ApiError 503 when `answers` more would be too many. */
  admit(answers: number): void {
    const { maxNumQueuedReqs } = this.options;
    const { metrics } = this;
    if (maxNumQueuedReqs === 0) return;
    if (metrics.running + metrics.waiting + answers <= maxNumQueuedReqs) return;
    metrics.rejections++;
    throw busy();
  }

  /** Ends everything that runs or waits with what there is of it. */
  abortAll(): void {
    for (const job of [...this.#jobs]) job.abort();
  }

  /** The engine is lost: everything that runs or waits fails. */
  die(): void {
    this.dead = true;
    for (const job of [...this.#jobs]) job.fail(engineDead());
  }

  /** Generates; ends at once when the client leaves. Throws ApiError 503 when there is no room. */
  generate(exchange: Exchange, job: Job): void {
    const arrivedMs = performance.now();
    const generation = new Generation(this, exchange, job, arrivedMs);
    this.#jobs.add(generation);
    let cancel = () => {};
    let over = false;
    let running = false;
    const begin = () => {
      if (over || running) return;
      running = true;
      this.metrics.running++;
      cancel = generation.run(this.pacer);
    };
    exchange.reply.onAbort(() => {
      this.metrics.finish("abort");
    });
    exchange.reply.onFinish(() => {
      over = true;
      this.#jobs.delete(generation);
      cancel();
      if (running) {
        this.metrics.running--;
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

  /** Its part of GET /metrics. */
  metricFamilies(sleepState: SleepState): Family[] {
    return this.metrics.families(sleepState, {
      queries: this.cache.queries,
      hits: this.cache.hits,
      usage: Math.min(1, this.blocks.inUse / Math.max(1, this.cache.capacity)),
      blocks: this.cache.capacity,
      blockSize: BLOCK_SIZE,
      preemptions: this.blocks.preemptions,
    });
  }

  #next(): void {
    const next = this.#queue.shift();
    if (!next) return;
    this.metrics.waiting--;
    next();
  }
}

// The one loop that moves the answers to a request on, token by token, and decides which tokens leave
// together. How they are written down is left to the dialects.

import { Choice, type Limits, type Reading } from "./choice.ts";
import type { ApiError } from "./errors.ts";
import type { Blocks, Holder } from "./blocks.ts";
import type { Exchange } from "./exchange.ts";
import type { Metrics } from "./metrics.ts";
import { scramble } from "./model.ts";
import type { Paced, Pacer } from "./pacing.ts";
import { plan, type PlanOptions } from "./plan.ts";
import type { Prefill } from "./prefill.ts";
import type { PrefixCache } from "./prefix_cache.ts";
import { joined, type Step } from "./step.ts";

/** What is to be generated. */
export interface Job {
  /** One answer each. */
  answers: { ids: readonly number[]; plan: PlanOptions; limits: Limits; reading: Reading }[];
  cacheSalt: string;
  /** Tokens an event that the request asks for; null for the instance's number. */
  streamInterval: number | null;
  /** Called once, when the first token is there. */
  started(cachedTokens: number): void;
  /** Called for each token of answer `index`, or for several at once; false ends the job. */
  step(index: number, step: Step, choice: Choice): boolean;
  /**
   * Called after the last token of the last answer, not when the job ended early. An engine that
   * aborts before the first token calls nothing but this and `started`.
   */
  ended(choices: Choice[]): void;
  /** Called when the engine is lost; nothing follows. */
  failed(error: ApiError): void;
  /** Called after the tokens of one turn. */
  flush(): void;
}

/** What generates: an instance's engine. */
export interface Generator {
  readonly metrics: Metrics;
  readonly cache: PrefixCache;
  /** It stands still for now. */
  readonly halted: boolean;
  readonly options: { readonly streamInterval: number; readonly coalesce: number };
  /** Computes prompts one after another; null where each takes its own time. */
  readonly prefill: Prefill | null;
  readonly blocks: Blocks;
}

/** The answers to one request, from their prompts to their ends. */
export class Generation implements Holder {
  #choices: Choice[] = [];
  /** Tokens of each answer that have not left yet. */
  #kept: (Step | null)[] = [];
  #sent: number[] = [];
  #started = false;
  #over = false;
  #cached = 0;
  #lastMs = 0;
  /** Its blocks are gone, and no token is made until they are there again. */
  #isPreempted = false;
  #isComputed = false;
  /** Takes what is to be computed for it out of the line. */
  #leaveLine = () => {};

  constructor(
    private readonly engine: Generator,
    private readonly exchange: Exchange,
    private readonly job: Job,
    private readonly arrivedMs: number,
  ) {}

  /** Starts generating; the function that it returns stops it. */
  run(pacer: Pacer): () => void {
    const { engine, job, exchange } = this;
    const { metrics, cache } = engine;
    metrics.observe("request_queue_time_seconds", (performance.now() - this.arrivedMs) / 1000);
    let total = 0;
    for (const ids of new Set(job.answers.map(({ ids }) => ids))) {
      this.#cached += cache.lookUp(ids, job.cacheSalt);
      total += ids.length;
      metrics.promptTokens += ids.length;
      metrics.observe("request_prompt_tokens", ids.length);
    }
    metrics.promptTokensCached += this.#cached;
    this.#choices = job.answers.map(({ ids, plan: options, limits, reading }) =>
      new Choice(ids, plan(ids, options), options.salt, limits, reading)
    );
    this.#kept = this.#choices.map(() => null);
    this.#sent = this.#choices.map(() => 0);
    const ttftMs = exchange.ttftS * 1000 * (total === 0 ? 1 : (total - this.#cached) / total);
    const intervalMs = exchange.tokensPerSecond > 0 ? 1000 / exchange.tokensPerSecond : 0;
    const paced: Paced = {
      step: () => this.#step(),
      blocked: () =>
        engine.halted || this.#isPreempted ||
        (engine.options.coalesce === 0 && exchange.reply.backlogged),
      flush: () => job.flush(),
    };
    let running: { cancel(): void } | null = null;
    if (engine.prefill === null) running = pacer.start(paced, ttftMs, intervalMs);
    else {
      this.#compute(engine.prefill, total - this.#cached, () => {
        for (const { ids } of job.answers) cache.store(ids, job.cacheSalt);
        running = pacer.start(paced, 0, intervalMs);
      });
    }
    engine.blocks.hold(this);
    return () => {
      running?.cancel();
      this.#leaveLine();
      engine.blocks.release(this);
    };
  }

  get tokens(): number {
    let tokens = 0;
    for (const { ids } of this.job.answers) tokens += ids.length;
    for (const { ids } of this.#choices) tokens += ids.length;
    return tokens;
  }

  /** What of it is not computed yet is so in any case; what is, once more. */
  preempt(): void {
    this.#isPreempted = true;
    if (!this.#isComputed) return;
    this.#isComputed = false;
    this.#compute(this.engine.prefill!, this.tokens, () => {});
  }

  #compute(prefill: Prefill, tokens: number, done: () => void): void {
    this.#leaveLine = prefill.compute(tokens, () => {
      this.#isComputed = !this.#isPreempted;
      if (this.#isComputed) return done();
      this.engine.blocks.holdAgain(this, () => {
        this.#isPreempted = false;
        this.#isComputed = true;
        done();
      });
    });
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    const { job } = this;
    if (!this.#started) {
      job.started(0);
    } else {
      for (let index = 0; index < this.#choices.length; index++) {
        const choice = this.#choices[index];
        if (choice.finished || choice.ids.length === 0) continue;
        const kept = this.#kept[index];
        const last = choice.abort();
        if (!job.step(index, kept ? joined(kept, last) : last, choice)) return;
      }
    }
    this.engine.metrics.finish("abort");
    job.ended(this.#choices);
  }

  fail(error: ApiError): void {
    if (this.#over) return;
    this.#over = true;
    this.job.failed(error);
  }

  /** One token of each answer; true after the last. */
  #step(): boolean {
    if (this.#over) return true;
    const { job, engine: { metrics, cache } } = this;
    const now = performance.now();
    if (!this.#started) {
      this.#started = true;
      metrics.observe("time_to_first_token_seconds", (now - this.arrivedMs) / 1000);
      job.started(this.#cached);
    } else {
      metrics.observe("inter_token_latency_seconds", (now - this.#lastMs) / 1000);
    }
    this.#lastMs = now;
    let left = false;
    for (let index = 0; index < this.#choices.length; index++) {
      const choice = this.#choices[index];
      if (choice.finished) continue;
      const made = choice.step();
      if (made.ids.length > 0) metrics.generationTokens++;
      if (!this.#hand(index, made, choice)) return this.#over = true;
      if (!choice.finished) left = true;
      else {
        metrics.finish(made.finish ?? "stop");
        metrics.observe("request_generation_tokens", choice.ids.length);
      }
    }
    if (left) {
      this.engine.blocks.fit();
      return false;
    }
    this.#over = true;
    metrics.observe("e2e_request_latency_seconds", (now - this.arrivedMs) / 1000);
    this.#choices.forEach((choice, index) =>
      cache.store([...job.answers[index].ids, ...choice.ids], job.cacheSalt)
    );
    job.ended(this.#choices);
    return true;
  }

  /** Gives a token out, or keeps it until others have come. */
  #hand(index: number, made: Step, choice: Choice): boolean {
    const kept = this.#kept[index];
    const step = kept ? joined(kept, made) : made;
    if (!choice.finished && this.#waits(index, choice)) {
      this.#kept[index] = step;
      return true;
    }
    this.#kept[index] = null;
    this.#sent[index] = choice.ids.length;
    return this.job.step(index, step, choice);
  }

  #waits(index: number, choice: Choice): boolean {
    const { streamInterval, coalesce } = this.engine.options;
    const sent = this.#sent[index];
    const interval = Math.max(streamInterval, this.job.streamInterval ?? 1);
    if (sent > 0 && choice.ids.length - sent < interval) return true;
    if (coalesce === 0) return false;
    const chance = (scramble(choice.ids.length * 7919 + choice.ids.at(-1)!) >>> 0) % 1000;
    return this.exchange.reply.backlogged || chance < coalesce * 1000;
  }
}

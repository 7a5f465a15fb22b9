// One answer in the making: the next token of it, with what the client may see of it. When the next
// token comes is left to generation.ts, how it is written down to the dialects.

import { advance, nextToken } from "./model.ts";
import type { Channel, Plan, Stretch } from "./plan.ts";
import { SPECIAL, tokenText } from "./tokenizer.ts";

/** Why an answer ended. */
export type FinishReason = "stop" | "length" | "abort";

/** One token and what it shows. */
export interface Step {
  /** The token; null only in a step that ends an aborted answer. */
  id: number | null;
  channel: Channel;
  /** Text for the client: may be empty, may lag behind the token while a stop string is possible. */
  text: string;
  /** Set on the first token of a tool call. */
  opens: { index: number; name: string } | null;
  /** The tool call that `text` belongs to. */
  call: number | null;
  finish: FinishReason | null;
  stopReason: string | number | null;
}

export interface Limits {
  maxTokens: number;
  minTokens: number;
  ignoreEos: boolean;
  stop: readonly string[];
  stopTokenIds: readonly number[];
  includeStop: boolean;
  /** Tokens after which the engine aborts the request; null for never. */
  abortAfter: number | null;
}

export class Choice {
  /** Tokens generated so far. */
  readonly ids: number[] = [];
  finished = false;
  #stretch = 0;
  #offset = 0;
  #held = "";
  #hold: number;
  #lastChannel: Channel = "content";

  constructor(
    private readonly plan: Plan,
    private readonly salt: number,
    private readonly limits: Limits,
  ) {
    this.#hold = Math.max(0, ...limits.stop.map((text) => text.length - 1));
    let skip = plan.done;
    while (this.#current && skip >= this.#current.count) {
      skip -= this.#current.count;
      this.#stretch++;
    }
    this.#offset = this.#current ? skip : 0;
  }

  get #current(): Stretch | undefined {
    return this.plan.stretches[this.#stretch];
  }

  /** The next token. Not to be called once finished. */
  step(): Step {
    if (this.ids.length === this.limits.abortAfter) {
      this.finished = true;
      return this.#end({ id: null, finish: "abort" });
    }
    const stretch = this.#current;
    if (!stretch && !this.limits.ignoreEos && this.ids.length >= this.limits.minTokens) {
      this.ids.push(SPECIAL.end);
      this.finished = true;
      return this.#end({ id: SPECIAL.end, finish: "stop" });
    }
    const id = stretch?.tokens?.[this.#offset] ?? nextToken(this.plan.state, this.salt);
    const opens = stretch?.call && this.#offset === 0 ? stretch.call : null;
    const channel = stretch?.channel ?? "content";
    this.#lastChannel = channel;
    advance(this.plan.state, id);
    this.ids.push(id);
    if (stretch && ++this.#offset === stretch.count) {
      this.#stretch++;
      this.#offset = 0;
      while (this.#current?.count === 0) this.#stretch++;
    }
    const step: Step = {
      id,
      channel,
      text: channel === "markup" ? "" : tokenText(id),
      opens,
      call: stretch?.call?.index ?? null,
      finish: null,
      stopReason: null,
    };
    if (channel === "content") this.#watchForStop(step);
    if (!step.finish && this.limits.stopTokenIds.includes(id)) {
      step.finish = "stop";
      step.stopReason = id;
    }
    if (!step.finish && this.ids.length >= this.limits.maxTokens) step.finish = "length";
    if (step.finish) {
      this.finished = true;
      if (step.stopReason === null) step.text += this.#release();
    }
    return step;
  }

  #end(end: { id: number | null; finish: FinishReason }): Step {
    const channel = this.#lastChannel === "reasoning" ? "reasoning" : "content";
    return { ...end, channel, text: this.#release(), opens: null, call: null, stopReason: null };
  }

  #release(): string {
    const text = this.#held;
    this.#held = "";
    return text;
  }

  /** Holds back what may be the beginning of a stop string, and ends the answer at a whole one. */
  #watchForStop(step: Step): void {
    if (this.limits.stop.length === 0) return;
    this.#held += step.text;
    step.text = "";
    if (this.ids.length >= this.limits.minTokens) {
      for (const stop of this.limits.stop) {
        const at = this.#held.indexOf(stop);
        if (at < 0) continue;
        step.text = this.#held.slice(0, at) + (this.limits.includeStop ? stop : "");
        step.finish = "stop";
        step.stopReason = stop;
        this.#held = "";
        return;
      }
    }
    let shown = Math.max(0, this.#held.length - this.#hold);
    // Half a surrogate pair is no text.
    if (/[\uD800-\uDBFF]$/.test(this.#held.slice(0, shown))) shown--;
    step.text = this.#held.slice(0, shown);
    this.#held = this.#held.slice(shown);
  }
}

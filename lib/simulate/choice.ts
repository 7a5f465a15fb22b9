// One answer in the making: the next token of it, with what the client may see of it. When the next
// token comes is left to engine.ts, how it is written down to the dialects.

import { Detokenizer } from "./detokenizer.ts";
import { advance, inMiddle, nextToken, saltAt, scramble } from "./model.ts";
import type { Channel, Plan, Stretch } from "./plan.ts";
import type { ReasoningParser } from "./reasoning.ts";
import type { FinishReason, Step } from "./step.ts";
import { SPECIAL } from "./tokenizer.ts";

export interface Limits {
  maxTokens: number;
  minTokens: number;
  ignoreEos: boolean;
  stop: readonly string[];
  stopTokenIds: readonly number[];
  includeStop: boolean;
  /** Tokens after which the engine aborts the request; null for never. */
  abortAfter: number | null;
  /** Which earlier tokens make a token less likely: none, the answer's, the prompt's too. */
  penalised: "none" | "answer" | "prompt and answer";
}

/** How tokens become what the client sees. */
export interface Reading {
  /** `parts`: reasoning and calls told apart; `text`: all of it is text, as in completions. */
  as: "parts" | "text";
  /** Tells reasoning from content in place of the plan. */
  parser: ReasoningParser | null;
  skipSpecialTokens: boolean;
}

type Shown = "content" | "reasoning" | "tool" | "nothing";

export class Choice {
  /** Tokens generated so far. */
  readonly ids: number[] = [];
  finished = false;
  #stretch: Stretch | undefined;
  #following: Stretch[];
  #offset = 0;
  /** The end of what was shown, and what is not shown yet, because a stop string may begin there. */
  #tail = "";
  #held = "";
  #hold: number;
  #shown: Shown = "content";
  #text: Detokenizer;
  #penalised: Set<number> | null;

  constructor(
    prompt: readonly number[],
    private readonly plan: Plan,
    private readonly salt: number,
    private readonly limits: Limits,
    private readonly reading: Reading,
  ) {
    this.#hold = Math.max(0, ...limits.stop.map((text) => text.length - 1));
    this.#text = new Detokenizer(reading.skipSpecialTokens);
    const seen = limits.penalised === "prompt and answer" ? prompt : [];
    this.#penalised = limits.penalised === "none" ? null : new Set(seen);
    let skip = plan.done;
    this.#following = plan.stretches.filter(({ count }) => count > 0);
    while (this.#following.length > 0 && skip >= this.#following[0].count) {
      skip -= this.#following.shift()!.count;
    }
    this.#stretch = this.#following.shift();
    this.#offset = this.#stretch ? skip : 0;
  }

  /** The next token. Not to be called once finished. */
  step(): Step {
    if (this.ids.length === this.limits.abortAfter) return this.abort();
    const stretch = this.#stretch;
    const { ignoreEos, minTokens } = this.limits;
    if (!stretch && !ignoreEos && this.ids.length >= minTokens) {
      this.ids.push(SPECIAL.end);
      const text = this.limits.includeStop ? this.#text.push(SPECIAL.end) : "";
      return this.#end([SPECIAL.end], "stop", text);
    }
    const over = !stretch && ignoreEos;
    const id = over ? SPECIAL.end : stretch?.tokens?.[this.#offset] ?? this.#next();
    const opens = stretch?.call && stretch.channel === "tool" && this.#offset === 0;
    const channel = stretch?.channel ?? "content";
    advance(this.plan.state, id);
    this.ids.push(id);
    this.#penalised?.add(id);
    if (over) this.#stretch = this.plan.again(this.plan.state);
    else if (stretch && ++this.#offset === stretch.count) {
      this.#stretch = this.#following.shift();
      this.#offset = 0;
    }
    const step: Step = {
      ids: [id],
      content: "",
      reasoning: "",
      calls: [],
      finish: null,
      stopReason: null,
    };
    const shown = this.#shownAs(channel, id);
    // Half a character at the end of a thought is a part of it.
    if (shown !== this.#shown) this.#release(step);
    this.#shown = shown;
    // No stop token comes before `min_tokens` others; its text is shown where stop strings are.
    const stops = this.limits.stopTokenIds.includes(id) && this.ids.length > minTokens;
    const text = stops && !this.limits.includeStop ? "" : this.#text.push(id);
    if (shown === "tool" && this.reading.as === "parts") {
      const { index, name } = stretch!.call!;
      step.calls.push({ index, name: opens ? name : null, arguments: text });
    } else if (shown === "content" || shown === "reasoning") {
      this.#show(step, shown, text);
    }
    if (!step.finish && stops) {
      step.finish = "stop";
      step.stopReason = id;
    }
    if (!step.finish && this.ids.length >= this.limits.maxTokens) step.finish = "length";
    if (step.finish) {
      this.finished = true;
      if (typeof step.stopReason !== "string") this.#release(step);
    }
    return step;
  }

  /** Ends the answer where it is, as an engine does that stops. */
  abort(): Step {
    return this.#end([], "abort");
  }

  #end(ids: number[], finish: FinishReason, text = ""): Step {
    this.finished = true;
    const step: Step = { ids, content: "", reasoning: "", calls: [], finish, stopReason: null };
    this.#release(step);
    if (this.#shown !== "nothing" && this.#shown !== "tool") step[this.#shown] += text;
    return step;
  }

  /** The model's choice; what is penalised it takes only when nothing else comes to its mind. */
  #next(): number {
    const { state } = this.plan;
    const salt = saltAt(this.salt, this.ids.length);
    let id = nextToken(state, salt);
    if (!this.#penalised || inMiddle(state)) return id;
    for (let attempt = 1; attempt < 20 && this.#penalised.has(id); attempt++) {
      id = nextToken(state, salt ^ scramble(attempt));
    }
    return id;
  }

  #shownAs(channel: Channel, id: number): Shown {
    if (this.reading.as === "text") return "content";
    if (channel === "tool") return "tool";
    if (channel === "tool mark") return "nothing";
    if (this.reading.parser) {
      const part = this.reading.parser.take(id);
      return part === "mark" ? "nothing" : part;
    }
    return channel === "think mark" ? "nothing" : channel;
  }

  /** Adds text to a step, but for what may be the beginning of a stop string. */
  #show(step: Step, shown: "content" | "reasoning", text: string): void {
    if (this.limits.stop.length === 0) {
      step[shown] += text;
      return;
    }
    const shownBefore = this.#tail.length;
    const whole = this.#tail + this.#held + text;
    // One that ends with the first `min_tokens` tokens is not looked for.
    if (this.limits.minTokens === 0 || this.ids.length > this.limits.minTokens) {
      for (const stop of this.limits.stop) {
        const at = whole.indexOf(stop, Math.max(0, whole.length - text.length - stop.length + 1));
        if (at < 0) continue;
        step[shown] += whole.slice(shownBefore, this.limits.includeStop ? at + stop.length : at);
        step.finish = "stop";
        step.stopReason = stop;
        this.#held = "";
        return;
      }
    }
    // vLLM holds nothing back where the stop string will be shown in any case.
    const hold = this.limits.includeStop ? 0 : this.#hold;
    let until = Math.max(shownBefore, whole.length - hold);
    // Half a surrogate pair is no text.
    if (/[\uD800-\uDBFF]$/.test(whole.slice(0, until))) until--;
    step[shown] += whole.slice(shownBefore, until);
    this.#held = whole.slice(until);
    this.#tail = whole.slice(Math.max(0, until - this.#hold), until);
  }

  /** Gives out what was held back. */
  #release(step: Step): void {
    const shown = this.#shown === "reasoning" ? "reasoning" : "content";
    step[shown] += this.#held + this.#text.end();
    this.#held = "";
    this.#tail = "";
  }
}

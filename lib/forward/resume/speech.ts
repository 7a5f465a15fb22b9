// The raw text of a completion that goes on with an answer, said in the client's API as it comes. The first
// words may be a part of a stop string that the client does not get: they wait.

import type { Voice } from "../../api/voice.ts";
import { isObject, type Json, objectIn, objectsIn, textOf } from "../../json/json.ts";
import { parseEvents } from "../../sse/parse.ts";
import type { Stage } from "../stage.ts";
import type { RawReader, Said } from "./raw_text.ts";
import type { StopAt, StopStrings } from "./stop_strings.ts";
import type { TokenIds } from "./token_ids.ts";

const encoder = new TextEncoder();

export interface SpeechOptions {
  ids: TokenIds;
  /** Tokens of the answer so far, with or without ids. */
  tokens: number;
  /** Ids that the client has already, and that come once more. */
  again: number[];
  /** The end of its text, into which a stop string may reach. */
  held: string;
  promptTokens: number;
  tellsUsage: boolean;
  usageWithEach: boolean;
  stops: StopStrings;
  /** The client's stop strings in its order. */
  order: readonly string[];
  /** Stop strings that the client does not get. */
  ends: readonly string[];
  /** Ids with which the client wants its answer to end. */
  endIds: readonly unknown[];
  /** Tokens among which no stop string ends the answer. */
  minTokens: number;
}

/** One object for each resumed stream. */
export class Speech implements Stage {
  caughtUp = false;
  isOver = false;
  /** Text about the seam that a stop string may still reach into. */
  #held: string;
  #tokens: number;
  /** Characters that may yet become a stop string which the client does not get. */
  readonly #holds: number;
  /** What comes is not what the client has the ids of. */
  #differs = false;

  constructor(
    private readonly reader: RawReader,
    private rest: Said[],
    private readonly voice: Voice,
    private readonly options: SpeechOptions,
  ) {
    this.#held = options.held;
    this.#tokens = options.tokens;
    this.#holds = Math.max(0, ...options.ends.map((stop) => stop.length - 1));
  }

  take(events: Uint8Array): Uint8Array | null {
    let said = this.#say(this.rest.splice(0), undefined);
    for (const { data } of parseEvents(events)) {
      // Figures and the end mark of this stretch are not those of the answer.
      if (this.caughtUp || data === "[DONE]") continue;
      for (const choice of objectsIn(objectIn(data)?.choices)) said += this.#choice(choice);
    }
    return this.reader.isLost || this.#differs ? null : encoder.encode(said);
  }

  /** What is left to say, and the end. */
  end(reason: string, stopReason: Json[string]): string {
    this.caughtUp = true;
    const { voice, options } = this;
    const said = this.#say(this.rest.splice(0), undefined) +
      this.#say([...this.reader.take(this.#held), ...this.reader.end()], undefined);
    this.#held = "";
    const end = { reason, stopReason, usage: this.#usage, tellsUsage: options.tellsUsage };
    return said + voice.end(end, { usage: options.usageWithEach ? this.#usage : null });
  }

  #choice(asCame: Json): string {
    const choice = this.#withoutEnd(asCame);
    const { ids: known } = this.options;
    let told = Array.isArray(choice.token_ids) ? choice.token_ids as number[] : undefined;
    const text = this.#behindStops(choice);
    if (typeof text !== "string") told = told?.slice(0, tokensUpTo(choice, text.end));
    this.#tokens += told?.length ?? 0;
    const ids = known.keeps && told !== undefined ? this.#fresh(told) : undefined;
    if (typeof text !== "string") {
      const last = this.#say(this.reader.take(this.#held.slice(0, text.length)), ids);
      this.#held = "";
      // The instance has not seen the stop string, and goes on.
      this.isOver = true;
      return last + this.end("stop", text.stop);
    }
    const isEnd = typeof choice.finish_reason === "string" && choice.finish_reason !== "";
    if (isEnd && this.options.again.length > 0) this.#differs = true;
    const all = isEnd ? this.#withoutStop(text + this.#held, choice) : text;
    if (isEnd) this.#held = "";
    const said = this.#say(this.reader.take(all), ids);
    return isEnd ? said + this.end(String(choice.finish_reason), choice.stop_reason ?? null) : said;
  }

  /** Those that the client lacks. */
  #fresh(told: readonly number[]): readonly number[] {
    const { again } = this.options;
    if (again.length === 0) return told;
    const met = again.splice(0, told.length);
    if (met.some((id, at) => id !== told[at])) this.#differs = true;
    return told.slice(met.length);
  }

  /**
   * The text that is sure, or where it must end for a stop string that reaches over the seam, which has its own
   * `end` in this text.
   */
  #behindStops(choice: Json): string | { length: number; stop: string; end: number } {
    const { stops, ends } = this.options;
    const text = textOf(choice.text);
    if (stops.isPast && this.#held === "" && this.#holds === 0) return text;
    const behind = this.#held.length - this.options.held.length;
    this.#held += text;
    const stopped = this.#stopIn(text, choice);
    if (stopped !== null) {
      const { length, stop } = stopped;
      const end = length + (ends.includes(stop) ? stop.length : 0) - behind;
      return { length: Math.max(0, this.options.held.length + length), stop, end };
    }
    if (!stops.isPast) return "";
    const sure = Math.max(0, this.#held.length - this.#holds);
    const said = this.#held.slice(0, sure);
    this.#held = this.#held.slice(sure);
    return said;
  }

  /** The first stop string that reaches over the seam, token by token where they are told. */
  #stopIn(text: string, { logprobs, finish_reason, stop_reason }: Json): StopAt | null {
    const { stops, order, minTokens } = this.options;
    const told = tokensOf(logprobs);
    const tokens = told.join("") === text ? told : [text];
    for (const [at, token] of tokens.entries()) {
      const stopped = stops.take(token);
      if (stopped === null || this.#tokens + at < minTokens) continue;
      // One that lies behind the seam and ends with the same token is met by the instance itself.
      const isLast = at === tokens.length - 1 && finish_reason === "stop";
      const met = isLast ? order.indexOf(textOf(stop_reason)) : -1;
      return met >= 0 && met < order.indexOf(stopped.stop) ? null : stopped;
    }
    return null;
  }

  /** The last text without the stop string that the instance has ended at. */
  #withoutStop(text: string, { stop_reason: stop }: Json): string {
    const isLeftOut = typeof stop === "string" && this.options.ends.includes(stop);
    return isLeftOut && text.endsWith(stop) ? text.slice(0, -stop.length) : text;
  }

  /**
   * A choice that a token ends, without the text of it: an instance that is told to show stop strings shows this,
   * too, and looks for stop strings in it.
   */
  #withoutEnd(choice: Json): Json {
    const { ends, endIds } = this.options;
    const tokens = tokensOf(choice.logprobs);
    if (choice.finish_reason !== "stop" || ends.length === 0 || tokens.length === 0) return choice;
    const id = Array.isArray(choice.token_ids) ? choice.token_ids.at(-1) : undefined;
    const isAsked = endIds.includes(id);
    if (!isAsked && typeof choice.stop_reason === "string") return choice;
    const text = textOf(choice.text);
    const before = tokens.slice(0, -1).join("");
    const last = tokens.at(-1)!;
    const isLast = !text.startsWith(before) && last !== "" && text.endsWith(last);
    return {
      ...choice,
      text: text.startsWith(before) ? before : isLast ? text.slice(0, -last.length) : text,
      logprobs: { tokens: tokens.slice(0, -1) },
      stop_reason: isAsked ? id : choice.stop_reason,
    };
  }

  #say(said: readonly Said[], tokenIds: readonly number[] | undefined): string {
    const { voice, options } = this;
    let events = "";
    let ids = tokenIds;
    for (const one of said) {
      const more = { tokenIds: ids, usage: options.usageWithEach ? this.#usage : null };
      ids = undefined;
      if (one.kind === "call") events += voice.call(one.name, more);
      else if (one.kind === "arguments") events += voice.give(one.text, more);
      else events += voice.say(one.channel, one.text, more);
    }
    // A client that asked for ids gets those of tokens without a text as well.
    return ids !== undefined && ids.length > 0
      ? events + voice.say("content", "", { tokenIds: ids })
      : events;
  }

  get #usage() {
    const { promptTokens } = this.options;
    return { promptTokens, completionTokens: this.#tokens, cachedTokens: null };
  }
}

/** How many tokens of an event its first `length` characters are made of; all where nobody tells. */
function tokensUpTo(choice: Json, length: number): number | undefined {
  let left = length;
  const last = tokensOf(choice.logprobs).findIndex((token) => (left -= token.length) <= 0);
  return last < 0 ? undefined : last + 1;
}

/** The texts of an event's tokens; empty where nobody tells. */
function tokensOf(logprobs: unknown): string[] {
  const tokens = isObject(logprobs) ? logprobs.tokens : null;
  return Array.isArray(tokens) ? tokens.map(textOf) : [];
}

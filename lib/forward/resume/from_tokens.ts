// Goes on with an answer from its tokens, through the completions API of whichever instance: prompt and
// answer so far are given as ids, what comes is raw text. How it is to be read is proved by the words that
// the client has; what is new is said in the client's own API.

import type { Api } from "../../api/api.ts";
import { dialectOf } from "../../api/dialects.ts";
import { wantsUsage, wantsUsageWithEach } from "../../api/stream_options.ts";
import type { Voice } from "../../api/voice.ts";
import { eventsIn } from "../../api/wire.ts";
import { isObject, type Json, objectIn, objectsIn, textOf } from "../../json/json.ts";
import { parseEvents } from "../../sse/parse.ts";
import type { Ask } from "../ask.ts";
import type { Prepared, Question } from "../question.ts";
import type { Stage } from "../stage.ts";
import type { Sent } from "./plan.ts";
import { requestBytes } from "./request_json.ts";
import type { RawReader, Said } from "./raw_text.ts";
import { readingOf, saysMore, wordsOf } from "./reading.ts";
import { samplingOf } from "./sampling.ts";
import { type StopAt, stopIn, stopsOf, StopStrings } from "./stop_strings.ts";
import { TokenIds } from "./token_ids.ts";
import { contextLengthFrom, knownTokens, madeTokens, type TokensSoFar } from "./tokens_so_far.ts";

/** What is known of the broken answer. */
export interface Broken {
  api: Api;
  request: Json;
  sent: Sent;
  /** Marks of thinking that are configured for the model. */
  marks: readonly (readonly [string, string])[];
  /** Longest context of the model's instances in tokens; null where nobody knows. */
  contextLength: number | null;
}

const encoder = new TextEncoder();
/** Completion tokens of vLLM's completions API where a request names no limit. */
const COMPLETIONS_LIMIT = 16;

export class TokensAsk implements Ask {
  readonly target = "/v1/completions";
  readonly api = "completions";
  #ids: TokenIds | null = null;
  /** Ids of the answer so far, and the tokens that it was made of. */
  #known = 0;
  #given = 0;
  #body: Json = {};
  #speech: Speech | null = null;

  /** `exact`: from the ids that were told; else from ids that are made of the texts. */
  constructor(readonly way: "exact" | "continue", private readonly broken: Broken) {}

  async prepare(ask: Question): Promise<Prepared> {
    const { api, request, sent, marks } = this.broken;
    if (saysMore(sent.answer)) return "closed";
    const voice = dialectOf(api).voice?.(eventsIn(sent.events())) ?? null;
    if (voice === null) return "closed";
    const words = wordsOf(sent.answer);
    const so = this.way === "exact"
      ? await knownTokens(sent.ids!, ask)
      : this.#ofTheSamePrompt(await madeTokens(api, request, words, marks, ask));
    this.#given = this.#tokensOf(so);
    const tools = Array.isArray(request.tools) && request.tools.length > 0 &&
      request.tool_choice !== "none";
    if (voice.isClosed && !tools) return { end: this.#endOf(voice, so) };
    if (so === null) return "closed";
    const stops = stopsOf(request.stop ?? request.stop_sequences);
    const includes = request.include_stop_str_in_output === true;
    const stopped = stopOf(request, so.raw);
    const raw = stopped === null ? so.raw : so.raw.slice(0, stopped.length);
    const parses = api !== "completions";
    const hides = request.skip_special_tokens !== false && !(parses && thinksNot(request));
    const stopStrings = new StopStrings(stops, raw, includes);
    const options = { parses, tools, hides, marks };
    // Text in which a stop string may have begun is held back here, as it is by servers.
    let held = raw.slice(raw.length - stopStrings.reach);
    let reading = readingOf(raw.slice(0, raw.length - held.length), words, options);
    if (reading === null && held !== "") {
      // One that holds nothing back has shown it.
      held = "";
      reading = readingOf(raw, words, options);
    }
    if (reading === null) return "closed";
    this.#ids = sent.ids ?? new TokenIds(false);
    this.#known = so.answer.length;
    if (sent.ids === null) { for (const id of so.answer) this.#ids.answer.push(id); }
    this.#speech = new Speech(reading.reader, reading.rest, voice, {
      ids: this.#ids,
      tokens: this.#given,
      again: this.#ids.keeps ? [...so.parts] : [],
      held,
      promptTokens: so.prompt.length,
      tellsUsage: api === "messages" || api === "responses" || wantsUsage(request.stream_options),
      usageWithEach: wantsUsageWithEach(request.stream_options),
      stops: stopStrings,
      ends: includes ? [] : stops,
    });
    if (stopped !== null) return { end: this.#speech.end("stop", stopped.stop) };
    const limit = limitOf(api, request) ?? await this.#roomIn(so, ask);
    if (limit === null) return "closed";
    if (limit <= this.#given) return { end: this.#speech.end("length", null) };
    this.#body = this.#request(so, limit - this.#given, reading.skipsSpecial);
    return "ready";
  }

  body(_instance: unknown, upstreamModel: string | undefined): readonly Uint8Array[] {
    return [requestBytes(this.#body, upstreamModel)];
  }

  ids(): TokenIds {
    const ids = this.#ids!;
    ids.cutBack(this.#known);
    ids.stay = true;
    return ids;
  }

  /** This stretch says nothing of the whole, and is not asked. */
  hidesUsage(): boolean {
    return false;
  }

  stages(): readonly Stage[] {
    return [this.#speech!];
  }

  /** Tokens of another prompt than the first instance had, as it told its length, are none to go on from. */
  #ofTheSamePrompt(so: TokensSoFar | null): TokensSoFar | null {
    const { api, sent } = this.broken;
    const told = dialectOf(api).usageIn({ usage: sent.answer.usage })?.promptTokens ?? 0;
    return told === 0 || told === so?.prompt.length ? so : null;
  }

  /**
   * Tokens that the client has. Text that is tokenised anew may have fewer tokens than it was made of, at least
   * one for each event; or more, but the instance has kept to the limit.
   */
  #tokensOf(so: TokensSoFar | null): number {
    const { api, request, sent } = this.broken;
    const most = limitOf(api, request) ?? Infinity;
    return Math.min(most, Math.max(so?.count ?? 0, sent.ids === null ? sent.tokens : 0));
  }

  /** The instance has closed the text: what is missing is why, and the figures. */
  #endOf(voice: Voice, so: TokensSoFar | null): string {
    const { api, request } = this.broken;
    const stopped = so === null ? null : stopOf(request, so.raw);
    const isFull = stopped === null && this.#given >= (limitOf(api, request) ?? Infinity);
    // The token with which an answer ends by itself counts as well; at a stop string there is none.
    const completionTokens = isFull || stopped !== null ? this.#given : this.#given + 1;
    return voice.end({
      reason: isFull ? "length" : "stop",
      stopReason: stopped?.stop ?? null,
      usage: {
        promptTokens: so?.prompt.length ?? null,
        completionTokens,
        cachedTokens: null,
      },
      tellsUsage: true,
    });
  }

  #request(so: TokensSoFar, left: number, skipsSpecial: boolean): Json {
    const { request } = this.broken;
    const next: Json = {
      ...samplingOf(request),
      model: request.model,
      prompt: [...so.prompt, ...so.answer],
      max_tokens: left,
      stream: true,
      add_special_tokens: false,
      return_token_ids: true,
      skip_special_tokens: skipsSpecial,
    };
    if (request.stop === undefined && request.stop_sequences !== undefined) {
      next.stop = request.stop_sequences;
    }
    // So told, an instance holds no text back, and tells with each token what it says; the stop string itself is
    // left out here.
    if (stopsOf(next.stop).length > 0) next.include_stop_str_in_output = true;
    if (typeof request.min_tokens === "number") {
      next.min_tokens = Math.max(0, request.min_tokens - this.#given);
    }
    return next;
  }

  /** Without a limit of the client's, the answer may fill the context. */
  async #roomIn(so: TokensSoFar, ask: Question): Promise<number | null> {
    const context = this.broken.contextLength ?? await contextLengthFrom(ask);
    return context === null ? null : context - so.prompt.length;
  }
}

/** The most tokens that the client allows; null where it names none. */
function limitOf(api: Api, request: Json): number | null {
  const given = request.max_completion_tokens ?? request.max_output_tokens ?? request.max_tokens;
  if (typeof given === "number") return given;
  return api === "completions" ? COMPLETIONS_LIMIT : null;
}

/** The first of the client's stop strings in raw text. */
function stopOf(request: Json, raw: string): StopAt | null {
  const stops = stopsOf(request.stop ?? request.stop_sequences);
  return stopIn(raw, stops, request.include_stop_str_in_output === true);
}

/** Whether thinking is switched off: the model has a parser for it then, which has special tokens shown. */
function thinksNot({ chat_template_kwargs: options }: Json): boolean {
  return isObject(options) && (options.enable_thinking === false || options.thinking === false);
}

interface SpeechOptions {
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
  /** Stop strings that the client does not get. */
  ends: readonly string[];
}

/** Raw text of a completion, said in the client's API. */
class Speech implements Stage {
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
    return said + voice.end({
      reason,
      stopReason,
      usage: this.#usage,
      tellsUsage: options.tellsUsage,
    });
  }

  #choice(choice: Json): string {
    const { ids: known } = this.options;
    const told = Array.isArray(choice.token_ids) ? choice.token_ids as number[] : undefined;
    this.#tokens += told?.length ?? 0;
    const ids = known.keeps && told !== undefined ? this.#fresh(told) : undefined;
    const text = this.#behindStops(textOf(choice.text));
    if (typeof text !== "string") {
      const last = this.#say(this.reader.take(this.#held.slice(0, text.length)), ids);
      this.#held = "";
      // The instance has not seen the stop string, and goes on.
      this.isOver = true;
      return last + this.end("stop", text.stop);
    }
    const isEnd = typeof choice.finish_reason === "string" && choice.finish_reason !== "";
    if (isEnd && this.options.again.length > 0) this.#differs = true;
    const all = isEnd ? this.#withoutStop(text + this.#held, choice.stop_reason) : text;
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

  /** The text that is sure, or where it must end for a stop string that reaches over the seam. */
  #behindStops(text: string): string | { length: number; stop: string } {
    const { stops } = this.options;
    if (stops.isPast && this.#held === "" && this.#holds === 0) return text;
    this.#held += text;
    const stopped = stops.take(text);
    if (stopped !== null) {
      const length = Math.max(0, this.options.held.length + stopped.length);
      return { length, stop: stopped.stop };
    }
    if (!stops.isPast) return "";
    const sure = Math.max(0, this.#held.length - this.#holds);
    const said = this.#held.slice(0, sure);
    this.#held = this.#held.slice(sure);
    return said;
  }

  /** The last text without the stop string that the instance has ended at. */
  #withoutStop(text: string, stop: unknown): string {
    const isLeftOut = typeof stop === "string" && this.options.ends.includes(stop);
    return isLeftOut && text.endsWith(stop) ? text.slice(0, -stop.length) : text;
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

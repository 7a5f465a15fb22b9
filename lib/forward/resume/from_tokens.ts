// Goes on with an answer from its tokens, through the completions API of whichever instance: prompt and
// answer so far are given as ids, what comes is raw text. How it is to be read is proved by the words that
// the client has; what is new is said in the client's own API.

import type { Api } from "../../api/api.ts";
import { dialectOf } from "../../api/dialects.ts";
import { tellsUsageWithEach, wantsUsage, wantsUsageWithEach } from "../../api/stream_options.ts";
import type { Voice } from "../../api/voice.ts";
import { eventsIn } from "../../api/wire.ts";
import { isObject, type Json } from "../../json/json.ts";
import type { Ask } from "../ask.ts";
import type { Prepared, Question } from "../question.ts";
import type { Stage } from "../stage.ts";
import type { Sent } from "./plan.ts";
import { requestBytes } from "./request_json.ts";
import { showsSpecial, type Whole, withoutSpecial } from "./raw_text.ts";
import { type Reading, readingOf, type ReadingOptions, saysMore, wordsOf } from "./reading.ts";
import { samplingOf } from "./sampling.ts";
import { Speech } from "./speech.ts";
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
    const options = { parses, tools, hides, marks };
    const read = readSoFar(raw, words, options, stops, includes);
    if (read === null) return "closed";
    const { reading, held, stopStrings } = read;
    this.#ids = sent.ids ?? new TokenIds(false);
    this.#known = so.answer.length;
    if (sent.ids === null) { for (const id of so.answer) this.#ids.answer.push(id); }
    const isForced = tellsUsageWithEach(eventsIn(sent.events()));
    this.#speech = new Speech(reading.reader, reading.rest, voice, {
      ids: this.#ids,
      tokens: this.#given,
      again: this.#ids.keeps ? [...so.parts, ...this.#ids.lacking] : [],
      held,
      promptTokens: so.prompt.length,
      tellsUsage: isForced || api === "messages" || api === "responses" ||
        wantsUsage(request.stream_options),
      usageWithEach: isForced || wantsUsageWithEach(request.stream_options),
      stops: stopStrings,
      order: stops,
      ends: includes ? [] : stops,
      endIds: Array.isArray(request.stop_token_ids) ? request.stop_token_ids : [],
      minTokens: minTokensOf(request),
    });
    if (stopped !== null) return { end: this.#speech.end("stop", stopped.stop) };
    const limit = limitOf(api, request) ?? await this.#roomIn(so, ask);
    if (limit === null) return "closed";
    if (limit <= this.#given) return { end: this.#speech.end("length", null) };
    this.#body = this.#request(so, limit - this.#given, reading.skipsSpecial, stopStrings);
    return "ready";
  }

  body(_instance: unknown, upstreamModel: string | undefined): readonly Uint8Array[] {
    return [requestBytes(this.#body, upstreamModel)];
  }

  ids(): TokenIds {
    const ids = this.#ids!;
    ids.goOnFrom(this.#known);
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

  #request(
    so: TokensSoFar,
    left: number,
    skipsSpecial: boolean,
    stops: StopStrings,
  ): Json {
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
    const isStopped = stopsOf(next.stop).length > 0;
    // It then shows the text of a token that ends the answer, too.
    const showsEnd = isStopped && request.include_stop_str_in_output !== true &&
      (!skipsSpecial || Array.isArray(request.stop_token_ids));
    if (isStopped) next.include_stop_str_in_output = true;
    // It goes on behind a stop string that it has not seen whole, maybe with several tokens in one event: with
    // these it tells which of them are behind it, and what the last one says.
    if (!stops.isPast || showsEnd) next.logprobs = 0;
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

/** The answer so far as it is read, what is held back of it, and which stop strings may have begun in it. */
interface ReadSoFar {
  reading: Reading;
  held: string;
  stopStrings: StopStrings;
}

/** Null where no reading gives the words that the client has. */
function readSoFar(
  raw: string,
  words: Whole,
  options: ReadingOptions,
  stops: readonly string[],
  includes: boolean,
): ReadSoFar | null {
  const stopStrings = new StopStrings(stops, raw, includes);
  // Text in which a stop string may have begun is held back here, as it is by servers.
  const held = raw.slice(raw.length - stopStrings.reach);
  const reading = readingOf(raw.slice(0, raw.length - held.length), words, options);
  // One that holds nothing back has shown it.
  const found = reading ?? (held === "" ? null : readingOf(raw, words, options));
  if (found === null) return null;
  if (found.skipsSpecial && showsSpecial(raw)) {
    // An instance that leaves special tokens out meets stop strings across them.
    return readSoFar(withoutSpecial(raw), words, options, stops, includes);
  }
  return { reading: found, held: reading === null ? "" : held, stopStrings };
}

/** The most tokens that the client allows; null where it names none. */
function limitOf(api: Api, request: Json): number | null {
  const given = request.max_completion_tokens ?? request.max_output_tokens ?? request.max_tokens;
  if (typeof given === "number") return given;
  return api === "completions" ? COMPLETIONS_LIMIT : null;
}

/** Tokens among which servers look for no stop string. */
function minTokensOf({ min_tokens: least }: Json): number {
  return typeof least === "number" ? least : 0;
}

/** The first of the client's stop strings in raw text; null where some must not end it yet. */
function stopOf(request: Json, raw: string): StopAt | null {
  if (minTokensOf(request) > 0) return null;
  const stops = stopsOf(request.stop ?? request.stop_sequences);
  return stopIn(raw, stops, request.include_stop_str_in_output === true);
}

/** Whether thinking is switched off: the model has a parser for it then, which has special tokens shown. */
function thinksNot({ chat_template_kwargs: options }: Json): boolean {
  return isObject(options) && (options.enable_thinking === false || options.thinking === false);
}

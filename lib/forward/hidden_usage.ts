// Instances are asked how many tokens an answer took where a caller's limits need it and the client did not
// ask; the client's stream is then as it would have been without. What vLLM does is described at
// `stream_options` of its protocol.

import { copied } from "../http/copied.ts";
import { streamOptionsIn, wantsUsage } from "../api/stream_options.ts";
import type { InstanceConfig } from "../config/config.ts";
import { latin1Text } from "../http/latin1.ts";
import { isObject, type Json } from "../json/json.ts";
import type { IdKeeper } from "../sse/clean_events.ts";
import { dataOf, eventEnd, hasOnlyFigures, inspect, USAGE } from "../sse/scan.ts";
import { usageIn } from "../sse/usage.ts";
import type { ClientStream } from "./client_stream.ts";
import type { ForwardRequest } from "./request.ts";
import type { Stage } from "./stage.ts";
import { type Replacement, Span } from "./target.ts";

const encoder = new TextEncoder();
const OPEN_OBJECT = 123;

/**
 * What is to be written into a request so that its stream ends with usage; null where nobody needs it, where
 * the client has asked itself, and where a stream cannot say it or says it anyway.
 */
export function usageOption(request: ForwardRequest): Replacement | null {
  const { terms, api, stream, jsonBody, body, streamOptions } = request;
  if (terms === null || !terms.asksUsage || !stream || !jsonBody) return null;
  if (api !== "chat" && api !== "completions") return null;
  // Of a field that stands there twice the last counts for every server.
  const given = streamOptions.at(-1);
  if (given === undefined) {
    const at = body.indexOf(OPEN_OBJECT) + 1;
    const field = encoder.encode('"stream_options":{"include_usage":true},');
    return { span: new Span(at, at), bytes: field };
  }
  const options = streamOptionsIn(body, given);
  if (options === null || wantsUsage(options)) return null;
  return { span: given, bytes: encoder.encode(JSON.stringify(withUsage(options))) };
}

/** The same for a request that is written anew. */
export function askingForUsage(request: Json): Json {
  const { stream_options: options } = request;
  return { ...request, stream_options: withUsage(isObject(options) ? options : {}) };
}

/** Figures with each event were asked for in vain, since they come only beside those at the end. */
function withUsage({ continuous_usage_stats: _, ...options }: Json): Json {
  return { ...options, include_usage: true };
}

/** A vendor writes `usage: null` into each event because it was asked; vLLM and SGLang do not mind. */
export function addsNulls({ fallback, origin }: InstanceConfig): boolean {
  return fallback || origin.startsWith("https:");
}

const NO_IDS: readonly number[] = [];
const NULL = encoder.encode(',"usage":null');
/** The same in any other form; inside a JSON string the quotes would be escaped. */
const ANY_NULL = /,\s*"usage"\s*:\s*null(?=\s*[,}])|"usage"\s*:\s*null\s*,/;
/** A server that has not written it into so many events does not. */
const MANY = 4;

/** Takes `usage: null` out of events, behind what takes the token ids out of them. */
export class NullKeeper implements IdKeeper {
  /** Bytes behind it in the event before; -1 while none was seen. */
  #tail = -1;
  /** Events without it. */
  #without = 0;

  constructor(private readonly ids: IdKeeper | null, private readonly strips: boolean) {}

  get keeps(): boolean {
    return this.ids === null || this.ids.keeps;
  }

  get answer(): readonly number[] {
    return this.ids === null ? NO_IDS : this.ids.answer;
  }

  /** What it takes out may stand in any event. */
  concerns(): boolean {
    return true;
  }

  cutBack(count: number): void {
    this.ids?.cutBack(count);
  }

  /** What may have to be cut out is copied. */
  takeInPlace(bytes: Uint8Array): number {
    if (this.strips && (this.#tail >= 0 || this.#without < MANY)) return -1;
    return this.ids === null ? bytes.length : this.ids.takeInPlace(bytes);
  }

  putBack(bytes: Uint8Array, cleanEnd: number, count: number): void {
    this.ids?.putBack(bytes, cleanEnd, count);
  }

  take(bytes: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
    const stop = this.ids === null
      ? copied(bytes, start, end, to, at)
      : this.ids.take(bytes, start, end, to, at);
    if (!this.strips) return stop;
    if (this.#tail >= 0) {
      const place = stop - this.#tail - NULL.length;
      if (isNullAt(to, place, at)) return cut(to, place, place + NULL.length, stop);
    } else if (this.#without >= MANY) return stop;
    return this.#takeAny(to, at, stop);
  }

  #takeAny(to: Uint8Array, at: number, stop: number): number {
    const found = ANY_NULL.exec(latin1Text(to, at, stop));
    if (found === null) {
      this.#without++;
      return stop;
    }
    const end = at + found.index + found[0].length;
    if (found[0].length === NULL.length) this.#tail = stop - end;
    return cut(to, at + found.index, end, stop);
  }
}

function isNullAt(bytes: Uint8Array, place: number, from: number): boolean {
  if (place < from) return false;
  for (let i = 0; i < NULL.length; i++) if (bytes[place + i] !== NULL[i]) return false;
  return true;
}

/** Takes bytes[from, to) out; returns the new end. */
function cut(bytes: Uint8Array, from: number, to: number, end: number): number {
  bytes.copyWithin(from, to, end);
  return end - (to - from);
}

/** The same for events that other stages have made: what is told at the end is noted, and left out. */
export class HiddenUsage implements Stage {
  readonly caughtUp = true;
  /** Whether the client has seen `usage: null` in events. */
  readonly #knowsNulls: boolean;

  constructor(private readonly client: ClientStream) {
    this.#knowsNulls = firstSaysNull(client);
  }

  take(events: Uint8Array): Uint8Array {
    const shown: Uint8Array[] = [];
    let length = 0;
    for (let start = 0; start < events.length;) {
      const next = eventEnd(events, start, events.length);
      const end = next < 0 ? events.length : next;
      const event = this.#shown(events.subarray(start, end));
      length += event.length;
      shown.push(event);
      start = end;
    }
    if (length === events.length) return events;
    const whole = new Uint8Array(length);
    let at = 0;
    for (const event of shown) {
      whole.set(event, at);
      at += event.length;
    }
    return whole;
  }

  #shown(event: Uint8Array): Uint8Array {
    if ((inspect(event, 0, event.length) & USAGE) !== 0) {
      const usage = usageIn(dataOf(event, 0, event.length));
      if (usage !== null) this.client.noteUsage(usage);
      return hasOnlyFigures(event, 0, event.length) ? event.subarray(0, 0) : event;
    }
    if (this.#knowsNulls) return event;
    const found = ANY_NULL.exec(latin1Text(event, 0, event.length));
    if (found === null) return event;
    const rest = event.slice();
    return rest.subarray(0, cut(rest, found.index, found.index + found[0].length, rest.length));
  }
}

function firstSaysNull({ store }: ClientStream): boolean {
  for (const event of store?.events() ?? []) {
    if (ANY_NULL.test(latin1Text(event, 0, event.length))) return true;
    if (event.length > 0) return false;
  }
  return false;
}

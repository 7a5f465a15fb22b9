// The token ids of one streamed answer: instances are asked for them, and they are taken out again before
// anybody else looks at the stream. With them another instance goes on at the very token, and tokens are
// counted, not events. What vLLM does is described at `return_token_ids` (0.10.2 and later).

import type { Usage } from "../../sse/usage.ts";
import { copied } from "../../http/copied.ts";
import { latin1Text } from "../../http/latin1.ts";

const encoder = new TextEncoder();
const OPTION = encoder.encode('"return_token_ids":true,');
/** Inside a JSON string the quotes of such a key would be escaped: it can only be the field itself. */
const KEY = encoder.encode('"token_ids":[');
const NULL = encoder.encode("null");
/** The same in every other form that JSON allows. */
const IDS = /"(prompt_)?token_ids"(\s*:\s*)\[([\d,\s]*)\]/g;

const OPEN_OBJECT = 123;
const OPEN = 91;
const CLOSE = 93;
const COMMA = 44;
const LETTER_N = 110;
const LETTER_U = 117;
const LETTER_L = 108;
const ZERO = 48;
const NINE = 57;
/** A prompt of more bytes of ids is not kept: its answer is resumed in another way. */
const MAX_PROMPT_BYTES = 8 * 1024 * 1024;
/** A longer list, or end of an event, is not worth being moved. */
const MAX_MOVED_BYTES = 256;
/** What `takeInPlace` overwrote last, for `putBack` right behind it: one for all streams, and so at hand. */
const overwritten = new Uint8Array(2 * MAX_MOVED_BYTES);

/** The request's pieces with the option for token ids at the object's beginning. */
export function askingForIds(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  const [first, ...rest] = pieces;
  const begin = first.indexOf(OPEN_OBJECT) + 1;
  return [first.subarray(0, begin), OPTION, first.subarray(begin), ...rest];
}

export class TokenIds {
  readonly answer: number[] = [];
  /** The list of the prompt's ids as it came; parsed only where it is needed. */
  #prompt: string | null = null;
  /** Bytes behind the list in the event before; -1 while no list was seen. */
  #tail = -1;

  /** Those behind `#againFrom` that the client had before this stretch. */
  #again: readonly number[] = [];
  #againFrom = 0;

  /** Whether they are left in the events, for the client or for a stage before it. */
  stay: boolean;

  /** `keeps`: the client asked for the ids itself, and gets them as they come. */
  constructor(readonly keeps: boolean) {
    this.stay = keeps;
  }

  /** Whether the instance has told what an exact continuation needs. */
  get areKnown(): boolean {
    return this.#prompt !== null && this.answer.length > 0;
  }

  /** What they tell of the answer so far; null where some are not known. */
  get usage(): Usage | null {
    if (!this.areKnown) return null;
    return {
      promptTokens: this.promptLength,
      completionTokens: this.answer.length,
      cachedTokens: null,
    };
  }

  /** The prompt's ids; empty where the instance has not told them. */
  prompt(): number[] {
    return listed(this.#prompt ?? "");
  }

  /** How many they are. */
  get promptLength(): number {
    const list = this.#prompt ?? "";
    if (list.trim() === "") return 0;
    let count = 1;
    for (let at = list.indexOf(","); at >= 0; at = list.indexOf(",", at + 1)) count++;
    return count;
  }

  /** Whether `token_ids` may stand in bytes[from, …). */
  concerns(bytes: Uint8Array, from: number): boolean {
    // An instance that tells ids tells them with each event.
    return this.#tail >= 0 || latin1Text(bytes, from, bytes.length).includes("_ids");
  }

  /** Those that the client has and that are still to come again. */
  get lacking(): readonly number[] {
    return this.#again.slice(Math.max(0, this.answer.length - this.#againFrom));
  }

  /** Another stream goes on behind the first `count` ids; those behind, which the client has, come again. */
  goOnFrom(count: number): void {
    this.#again = [...this.answer, ...this.lacking].slice(count);
    this.#againFrom = count;
    this.cutBack(count);
  }

  /** Keeps the first `count` ids of the answer. */
  cutBack(count: number): void {
    this.answer.length = count;
  }

  /**
   * Takes note of the ids in the event bytes[start, end), and writes it to `to` from `at` on as the client
   * gets it. Returns its end there. `to` must have room for the event and four bytes more for each list.
   */
  take(bytes: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
    const close = end - this.#tail - 1;
    const open = this.#tail < 0 ? -1 : this.#listBefore(bytes, close, start);
    if (open < 0) return this.#takeAny(bytes, start, end, to, at);
    this.#note(bytes, open, close);
    if (this.stay) return copied(bytes, start, end, to, at);
    const list = copied(bytes, start, open, to, at);
    to.set(NULL, list);
    return copied(bytes, close + 1, end, to, list + NULL.length);
  }

  /**
   * The same for an event that is all of `bytes` and has its list where the one before had it: returns its
   * end there without a copy, or -1 where it is none of these, and nothing was done.
   */
  takeInPlace(bytes: Uint8Array): number {
    const end = bytes.length;
    const tail = this.#tail;
    const close = end - tail - 1;
    if (tail < 0 || tail > MAX_MOVED_BYTES) return -1;
    const open = this.#listBefore(bytes, close, 0);
    const by = close + 1 - open - NULL.length;
    if (open < 0 || by < 0 || by > MAX_MOVED_BYTES - NULL.length) return -1;
    this.#note(bytes, open, close);
    if (this.stay) return end;
    for (let at = open, to = 0; at < end; at++, to++) overwritten[to] = bytes[at];
    bytes[open] = LETTER_N;
    bytes[open + 1] = LETTER_U;
    bytes[open + 2] = bytes[open + 3] = LETTER_L;
    if (by > 0) { for (let at = close + 1; at < end; at++) bytes[at - by] = bytes[at]; }
    return end - by;
  }

  /** Undoes the last `takeInPlace`, of which nothing is known any more. */
  putBack(bytes: Uint8Array, cleanEnd: number, count: number): void {
    this.cutBack(count);
    if (this.stay) return;
    const open = cleanEnd - this.#tail - NULL.length;
    for (let at = open, from = 0; at < bytes.length; at++, from++) bytes[at] = overwritten[from];
  }

  /** Position of the bracket that opens the list of ids ending at `close`; -1 where there is none. */
  #listBefore(bytes: Uint8Array, close: number, start: number): number {
    if (bytes[close] !== CLOSE) return -1;
    let at = close - 1;
    while (at > start && ((bytes[at] >= ZERO && bytes[at] <= NINE) || bytes[at] === COMMA)) at--;
    const key = at - KEY.length + 1;
    if (bytes[at] !== OPEN || key < start) return -1;
    for (let i = 0; i < KEY.length; i++) if (bytes[key + i] !== KEY[i]) return -1;
    return at;
  }

  /** The ids between two brackets. */
  #note(bytes: Uint8Array, open: number, close: number): void {
    let id = -1;
    for (let at = open + 1; at < close; at++) {
      const byte = bytes[at];
      if (byte === COMMA) {
        this.answer.push(id);
        id = -1;
      } else id = (id < 0 ? 0 : id) * 10 + byte - ZERO;
    }
    if (id >= 0) this.answer.push(id);
  }

  /** Any event: the first one of a stream, one without ids, one in a form that is not usual. */
  #takeAny(bytes: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
    if (!holdsKey(bytes, start, end)) return copied(bytes, start, end, to, at);
    const text = latin1Text(bytes, start, end);
    let from = 0;
    for (const found of text.matchAll(IDS)) {
      const [all, prompt, colon, list] = found;
      const isAnswers = prompt === undefined;
      if (isAnswers) { for (const id of listed(list)) this.answer.push(id); }
      else if (list.length <= MAX_PROMPT_BYTES) this.#prompt ??= list;
      const close = found.index + all.length;
      if (isAnswers && colon === ":" && !/\s/.test(list)) this.#tail = text.length - close;
      if (this.stay) continue;
      const open = close - list.length - 2;
      at = copied(bytes, start + from, start + open, to, at);
      to.set(NULL, at);
      at += NULL.length;
      from = close;
    }
    return copied(bytes, start + from, end, to, at);
  }
}

function listed(list: string): number[] {
  return list.trim() === "" ? [] : list.split(",").map(Number);
}

/** Whether `token_ids` may stand in bytes[start, end). */
function holdsKey(bytes: Uint8Array, start: number, end: number): boolean {
  // "_ids" is rare enough in everything else.
  for (let at = start; at < end - 4; at++) {
    if (
      bytes[at] === 95 && bytes[at + 1] === 105 && bytes[at + 2] === 100 && bytes[at + 3] === 115
    ) return true;
  }
  return false;
}

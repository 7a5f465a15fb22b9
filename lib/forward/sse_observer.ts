// Watches one stream of events on its way to the client: lets whole events pass, keeps them for the
// record, and stops before anything that a client must not take for an answer.

import type { Api } from "../api/api.ts";
import type { EventStore } from "../sse/event_store.ts";
import {
  ABORT,
  CLOSELY,
  dataOf,
  DONE,
  EMPTY,
  ERROR,
  eventEnd,
  FINISH,
  inspect,
  inspectChange,
  MALFORMED,
  OPENING,
  PLAIN,
  USAGE,
} from "../sse/scan.ts";
import type { Usage } from "./account.ts";
import type { TokenIds } from "./resume/token_ids.ts";

const NOTHING = new Uint8Array(0);
/** No event of an honest instance is longer. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024;

/** What stopped a stream: the event's meaning, in words fit for a client. */
export interface StreamFault {
  kind: "abort" | "error" | "malformed" | "empty";
  message: string;
  /** The instance's own error event, when it sent one. */
  event: Uint8Array | null;
  /** HTTP status that the error event names. */
  code: number | null;
}

export class SseObserver {
  /** Some event went by that is part of the answer proper. */
  meaningful = false;
  /** Finish events seen. */
  finishes = 0;
  done = false;
  /** Events that carry a part of the answer and nothing else; each a token, as a rule. */
  pieces = 0;
  fault: StreamFault | null = null;
  #usageEvent: string | null = null;
  #carry: Uint8Array = NOTHING;
  /** Memory of the events without their token ids. */
  #clean: Uint8Array = NOTHING;
  /** The event before was PLAIN by its keys alone, and is what the store compares with. */
  #usual = false;
  /** How far the carry has been searched for an event's end. */
  #searched = 0;

  constructor(
    private readonly api: Api | null,
    private readonly choices: number,
    readonly store: EventStore | null,
    /** Takes the token ids out of each event; null where none were asked for, which costs nothing. */
    readonly ids: TokenIds | null = null,
  ) {}

  /**
   * Takes the next piece, however the stream was cut into pieces. Returns the whole events that may go
   * to the client now; they share the piece's memory where possible.
   */
  take(piece: Uint8Array): Uint8Array {
    let bytes = piece;
    let from = 0;
    if (this.#carry.length > 0) {
      bytes = new Uint8Array(this.#carry.length + piece.length);
      bytes.set(this.#carry);
      bytes.set(piece, this.#carry.length);
      from = Math.max(0, this.#searched - 3);
    }
    let start = 0;
    let clean = 0;
    while (this.fault === null) {
      const end = eventEnd(bytes, Math.max(from, start), bytes.length);
      if (end < 0) break;
      if (this.ids === null) {
        if (!this.#see(bytes, start, end)) break;
      } else {
        const memory = this.#roomFor(clean, end - start);
        const cleanEnd = this.ids.take(bytes, start, end, memory, clean);
        if (!this.#see(memory, clean, cleanEnd)) break;
        clean = cleanEnd;
      }
      start = end;
    }
    this.#keep(bytes, start, piece);
    if (this.ids !== null) return clean === 0 ? NOTHING : this.#clean.subarray(0, clean);
    return start === 0 ? NOTHING : start === bytes.length ? bytes : bytes.subarray(0, start);
  }

  /** Bytes of an event that has not ended. */
  get pending(): number {
    return this.#carry.length;
  }

  /** Whether the answer is whole by the API's own signs; `[DONE]` proves nothing. */
  get isComplete(): boolean {
    if (this.fault !== null) return false;
    if (this.api === null) return true;
    return this.finishes >= this.choices;
  }

  /** The last usage figures that went by. */
  get usage(): Usage | null {
    return this.#usageEvent === null ? null : usageIn(this.#usageEvent);
  }

  /** Looks at one event; false when it must not go on. */
  #see(bytes: Uint8Array, start: number, end: number): boolean {
    const { store } = this;
    const compares = store !== null && !store.truncated;
    if (compares) store.compare(bytes, start, end);
    const flags = this.#usual && compares
      ? inspectChange(bytes, start, end, store.prefix, store.suffix)
      : inspect(bytes, start, end);
    this.#usual = flags === PLAIN;
    if ((flags & ~CLOSELY) !== PLAIN) {
      if (flags & (ERROR | ABORT | MALFORMED)) {
        this.fault = faultOf(flags, bytes, start, end);
        return false;
      }
      if (flags & DONE) {
        if (!this.isComplete) {
          this.fault = {
            kind: "empty",
            message: "it ended the stream before the answer was whole",
            event: null,
            code: null,
          };
          return false;
        }
        this.done = true;
      }
      if (flags & FINISH) this.finishes++;
      if (flags & USAGE) this.#usageEvent = dataOf(bytes, start, end);
    } else this.pieces++;
    if ((flags & (EMPTY | OPENING)) === 0) this.meaningful = true;
    store?.keep(bytes, start, end);
    return true;
  }

  /** Memory with room behind `used` for an event of `length` bytes, of which lists may become longer. */
  #roomFor(used: number, length: number): Uint8Array {
    // A list of one digit in brackets is a byte shorter than null; an event has few lists.
    const needed = used + length + (length >> 2) + 64;
    if (needed <= this.#clean.length) return this.#clean;
    const larger = new Uint8Array(Math.max(1024, needed * 2));
    larger.set(this.#clean.subarray(0, used));
    return this.#clean = larger;
  }

  #keep(bytes: Uint8Array, start: number, piece: Uint8Array): void {
    if (start === bytes.length || this.fault !== null) {
      this.#carry = NOTHING;
      return;
    }
    // A piece may be overwritten by the next read; a joined copy is ours already.
    this.#carry = bytes === piece ? bytes.slice(start) : bytes.subarray(start);
    this.#searched = this.#carry.length;
    if (this.#carry.length > MAX_EVENT_BYTES) {
      this.fault = {
        kind: "malformed",
        message: `it sent an event of more than ${MAX_EVENT_BYTES} bytes`,
        event: null,
        code: null,
      };
    }
  }
}

function faultOf(flags: number, bytes: Uint8Array, start: number, end: number): StreamFault {
  const event = bytes.slice(start, end);
  if (flags & ABORT) {
    return { kind: "abort", message: "it aborted the answer", event: null, code: null };
  }
  if (flags & MALFORMED) {
    return { kind: "malformed", message: "it sent a malformed event", event: null, code: null };
  }
  const { message, code } = errorIn(dataOf(bytes, start, end));
  return { kind: "error", message: `it sent an error: ${message}`, event, code };
}

/** What an error says, as an event's data or as a body, and the HTTP status that it names. */
export function errorIn(data: string): { message: string; code: number | null } {
  try {
    const parsed = JSON.parse(data);
    const error = parsed.error ?? parsed.response?.error ?? parsed;
    const message = typeof error === "string" ? error : error?.message;
    const code = Number(error?.code ?? parsed.code);
    return {
      message: typeof message === "string" ? message.slice(0, 300) : "unknown",
      code: Number.isInteger(code) ? code : null,
    };
  } catch {
    // An error event need not be JSON; its text is the message then.
    return { message: data.slice(0, 300), code: null };
  }
}

/** Token counts in an event or body: OpenAI's names or Anthropic's and the Responses API's. */
export function usageIn(json: string): Usage | null {
  let prompt: number | null = null;
  let completion: number | null = null;
  for (const [, name, value] of json.matchAll(/"(\w+_tokens)"\s*:\s*(\d+)/g)) {
    if (name === "prompt_tokens" || name === "input_tokens") prompt = Number(value);
    else if (name === "completion_tokens" || name === "output_tokens") completion = Number(value);
  }
  return prompt === null && completion === null
    ? null
    : { promptTokens: prompt ?? 0, completionTokens: completion ?? 0 };
}

// Watches one stream of events on its way to the client: lets whole events pass, keeps them for the
// record, and stops before anything that a client must not take for an answer.

import { joined } from "../http/joined.ts";
import { latin1Text } from "../http/latin1.ts";
import { CleanEvents, type IdKeeper } from "./clean_events.ts";
import type { EventStore } from "./event_store.ts";
import { fault, faultOf, type StreamFault } from "./fault.ts";
import { PendingBytes } from "./pending.ts";
import {
  ABORT,
  anyEventEnd,
  APART,
  choicesEnding,
  CLOSELY,
  dataOf,
  DONE,
  EMPTY,
  ERROR,
  eventEnd,
  FINISH,
  hasOnlyFigures,
  hasWholeData,
  HOLLOW,
  MALFORMED,
  missingEnd,
  OPENING,
  PLAIN,
  SAYS_NOTHING,
  Scanner,
  SILENT,
  STOPPING,
  USAGE,
  usageFrom,
} from "./scan.ts";
import { type Usage, usageIn } from "./usage.ts";

const NOTHING = new Uint8Array(0);
/** An event is held until it is whole, in up to twice its size: as much as is held of a whole answer. */
const MAX_EVENT_BYTES = 32 * 1024 * 1024;
/** A comment is held, too, but nobody needs one of this length. */
const MAX_COMMENT_BYTES = 1024 * 1024;
/** A longer event of an API that is not understood goes on as it comes: images are sent in one line. */
const MAX_UNKNOWN_BYTES = 1024 * 1024;
/** Comments, empty deltas and the like in a row: 16,000 deltas, or a comment a second for days. */
const MAX_SILENT_BYTES = 4 * 1024 * 1024;
/** What decides whether an event ends, in the bytes before those that are to come. */
const LOOK_BACK = 3;
/** No more of what `IdKeeper.concerns` looks for may lie in the piece before. */
const KEY_BYTES = 16;
/** Where its answer has parsers, vLLM writes so of a token without a text, and nothing where no ids were asked for. */
const NO_DELTA = '"delta":{}';
const LF = 10;
const COLON = 58;

const encoder = new TextEncoder();

export class SseObserver {
  /** Some event went by that is part of the answer proper. */
  meaningful = false;
  /** Events that took the answer further: comments, pings, empty deltas and stray bytes do not. */
  progress = 0;
  /** Choices whose finish reason has gone by, or 1 for an API's own end event. */
  finishes = 0;
  /** `[DONE]` went by; what follows it is given on without a look. */
  done = false;
  /** The body has come to its proper end. */
  ended = false;
  /** Events that carry a part of the answer and nothing else; each a token, as a rule. */
  pieces = 0;
  fault: StreamFault | null = null;
  /** The figures that went by first, and last. */
  #firstUsage: Uint8Array | null = null;
  #usage: Uint8Array | null = null;
  /** They are those of the answer so far, or of one choice of several: the last ones come apart. */
  #isUsagePartial = false;
  /** An event of an API that names the reason first went by. */
  #stopping = false;
  readonly #finished = new Set<number>();
  readonly #scanner = new Scanner();
  /** What came of an event that has not ended. */
  readonly #pending = new PendingBytes();
  /** The piece before was one usual event. */
  #alone = false;
  /** The beginning of that event has gone on already. */
  #inside = false;
  /** What comes behind the end of the answer and cannot be read is left out. */
  #over = false;
  /** Bytes since the last event that said something. */
  #silent = 0;
  /** Events without their token ids; null where none are taken out. */
  readonly #clean: CleanEvents | null;
  /** The same for the events looked at; null where there are no ids in them. */
  #cleaning: CleanEvents | null = null;
  /** The event looked at is the gateway's to know, and not the client's. */
  #isHidden = false;

  constructor(
    /** Whether the events are of an API whose answers are read. */
    private readonly understood: boolean,
    private readonly choices: number,
    readonly store: EventStore | null,
    /** Takes the token ids out of each event; null where none were asked for, which costs nothing. */
    readonly ids: IdKeeper | null = null,
    /** Whether the event of the usage is left out; only with `ids`. */
    private hidesUsage = false,
  ) {
    this.#clean = ids === null ? null : new CleanEvents(ids);
  }

  /**
   * Takes the next piece, however the stream was cut into pieces. Returns the whole events that may go
   * to the client now; they share the piece's memory where possible, are valid as long as it is, and may
   * have been changed in it.
   */
  take(piece: Uint8Array): Uint8Array {
    let bytes = piece;
    let from = 0;
    const held = this.#pending.length;
    if (held === 0) {
      this.#cleaning = this.#cleaningOf(piece, 0);
      if (this.#alone) {
        const end = this.#takeOne(piece);
        if (end >= 0) return end === piece.length ? piece : piece.subarray(0, end);
      }
    } else {
      // What was searched before is not searched again.
      from = Math.max(0, held - LOOK_BACK);
      bytes = this.#pending.with(piece);
      this.#cleaning ??= this.#cleaningOf(bytes, Math.max(0, held - KEY_BYTES));
    }
    let start = 0;
    this.#alone = false;
    this.#cleaning?.clear();
    while (this.fault === null && !this.#over) {
      if (from < start) from = start;
      let end = eventEnd(bytes, from, bytes.length);
      if (end < 0) {
        if (start === bytes.length) break;
        end = anyEventEnd(bytes, from, bytes.length);
        if (end < 0) break;
      }
      let flags = this.#look(bytes, start, end);
      if ((flags & CLOSELY) !== 0) {
        const first = anyEventEnd(bytes, from, end);
        if (first >= 0 && first < end) {
          end = first;
          this.#cleaning?.takeBack();
          flags = this.#look(bytes, start, end);
        }
      }
      if (!this.#see(flags, bytes, start, end)) break;
      this.#inside = false;
      this.#alone = start === 0 && end === bytes.length && (flags & CLOSELY) === 0;
      start = end;
    }
    return this.#shown(bytes, this.#keep(bytes, start));
  }

  /**
   * Takes a piece that is one usual event, as those before it were: its keys prove where it ends. Returns
   * its end without its token ids; -1 for a piece of several, or of a part of one, which has cost no more
   * than its scan.
   */
  #takeOne(piece: Uint8Array): number {
    const ids = this.#cleaning === null ? null : this.ids;
    let end = piece.length;
    const before = ids === null ? 0 : ids.answer.length;
    if (ids !== null) {
      end = ids.takeInPlace(piece);
      if (end < 0) return -1;
    }
    const flags = this.#scanBriefly(piece, 0, end);
    if ((flags & CLOSELY) !== 0) {
      ids?.putBack(piece, end, before);
      return -1;
    }
    if (this.#note(flags, piece, 0, end) && !this.#isHidden) return end;
    this.#isHidden = false;
    return 0;
  }

  /** What the client gets of bytes[0, end). */
  #shown(bytes: Uint8Array, end: number): Uint8Array {
    if (this.#cleaning !== null) return this.#cleaning.accepted;
    return end === 0 ? NOTHING : end === bytes.length ? bytes : bytes.subarray(0, end);
  }

  /**
   * The body has come to its proper end. Takes what came without a blank line behind it, unless it was
   * cut short, which `pending` tells then. Returns what may still go to the client.
   */
  end(): Uint8Array {
    this.ended = true;
    if (this.#pending.length === 0) return NOTHING;
    const rest = this.#pending.bytes;
    const whole = joined([rest, encoder.encode(missingEnd(rest))]);
    this.#cleaning = this.#clean;
    this.#cleaning?.clear();
    const flags = this.#inside ? SILENT : this.#look(whole, 0, whole.length);
    if (!this.#isReadable(flags, rest)) {
      // Behind the end of the answer a rest takes nothing from it.
      if (this.finished) this.#pending.clear();
      return NOTHING;
    }
    this.#pending.clear();
    if (flags & EMPTY) return rest.at(-1) === LF && isComment(rest) ? rest : whole;
    if (!this.#see(flags, whole, 0, whole.length)) return NOTHING;
    return this.#shown(whole, whole.length);
  }

  /** Bytes of an event that has not ended. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Every choice has its finish reason: whatever comes now, the answer needs nobody else. */
  get finished(): boolean {
    return this.#stopping || this.finishes >= this.choices;
  }

  /** Whether the answer is whole and nothing more will be known of it, though an event may follow. */
  get isOver(): boolean {
    return this.finished && this.understood && this.fault === null &&
      (this.done || (this.#usage !== null && !this.#isUsagePartial));
  }

  /**
   * Whether the answer is whole by the API's own signs; `[DONE]` proves nothing. A stream that is not
   * understood is whole when it says so, or when its body came to a proper end.
   */
  get isComplete(): boolean {
    if (this.fault !== null) return false;
    if (!this.understood) return this.done || this.ended || this.finishes > 0;
    return this.finishes >= this.choices;
  }

  /** The last usage figures that went by. */
  get usage(): Usage | null {
    const [first, last] = [this.#firstUsage, this.#usage];
    if (first === null || last === null) return null;
    const begun = usageIn(latin1Text(first, 0, first.length));
    return first === last ? begun : usageIn(latin1Text(last, 0, last.length), begun) ?? begun;
  }

  /** Whether an event that lacks its blank line lacks nothing else. */
  #isReadable(flags: number, rest: Uint8Array): boolean {
    if (flags & EMPTY) return isComment(rest) || hasWholeData(rest);
    if (this.#inside || flags & (DONE | ERROR) || hasWholeData(rest)) return true;
    // Text that was never meant to be JSON has no end of its own.
    return !this.understood && /^\s*[^{["\s]/.test(dataOf(rest, 0, rest.length));
  }

  /** Flags of the event bytes[start, end), which loses its token ids on the way. */
  #look(bytes: Uint8Array, start: number, end: number): number {
    const clean = this.#cleaning;
    if (this.#inside) return CLOSELY | SILENT;
    if (clean === null) return this.#scan(bytes, start, end);
    clean.put(bytes, start, end);
    const flags = this.#scan(clean.memory, clean.start, clean.end);
    if (!clean.hadIds) return flags;
    // A token that is a part of a character has an id and no text. Whoever asks for no ids gets no event of it.
    this.#isHidden = !clean.ids.keeps && (flags & ~(CLOSELY | USAGE)) === SILENT &&
      clean.text.includes(NO_DELTA);
    return flags & ~SILENT;
  }

  #cleaningOf(bytes: Uint8Array, from: number): CleanEvents | null {
    return this.ids !== null && this.ids.concerns(bytes, from) ? this.#clean : null;
  }

  #scan(bytes: Uint8Array, start: number, end: number): number {
    const { store } = this;
    if (store === null || store.truncated) return this.#scanner.inspect(bytes, start, end);
    store.compare(bytes, start, end);
    return this.#scanner.inspectChange(bytes, start, end, store.prefix, store.suffix);
  }

  #scanBriefly(bytes: Uint8Array, start: number, end: number): number {
    const { store } = this;
    if (store === null || store.truncated) return this.#scanner.usual(bytes, start, end);
    store.compare(bytes, start, end);
    return this.#scanner.usualChange(bytes, start, end, store.prefix, store.suffix);
  }

  /** Takes account of the event that was looked at last; false when it must not go on. */
  #see(flags: number, bytes: Uint8Array, start: number, end: number): boolean {
    const clean = this.#cleaning;
    if (clean === null) return this.#note(flags, bytes, start, end);
    if (!this.#note(flags, clean.memory, clean.start, clean.end)) return false;
    if (this.#isHidden) this.#isHidden = false;
    else clean.accept();
    return true;
  }

  #note(flags: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.done) return true;
    if ((flags & ~CLOSELY) === PLAIN) {
      this.pieces++;
      this.progress++;
      this.meaningful = true;
      this.#silent = 0;
    } else if (!this.#noteClosely(flags, bytes, start, end)) return false;
    if ((flags & EMPTY) === 0 && !this.#isHidden) this.store?.keep(bytes, start, end);
    return true;
  }

  #noteClosely(flags: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (flags & MALFORMED && !this.understood) flags = SILENT;
    if (flags & MALFORMED && this.finished) {
      this.#over = true;
      return false;
    }
    if (flags & (ERROR | ABORT | MALFORMED)) {
      this.fault = faultOf(flags, bytes, start, end);
      return false;
    }
    if (flags & HOLLOW && !this.meaningful) {
      this.fault = fault("empty", "it ended the answer before it began");
      return false;
    }
    const wasFinished = this.finished;
    if (flags & FINISH) {
      // A choice that says twice that it ends is one choice.
      for (const index of choicesEnding(bytes, start, end)) {
        this.#finished.add(index < 0 ? -1 - this.#finished.size : index);
      }
      this.finishes = this.#finished.size;
    }
    if (flags & STOPPING) this.#stopping = true;
    let saysAnything = (flags & SAYS_NOTHING) === 0;
    if (flags & USAGE) {
      // Figures alone say nothing of an answer unless they grow.
      const isAlone = this.understood && (flags & ~CLOSELY) === (USAGE | APART);
      const before = isAlone ? this.usage?.completionTokens ?? 0 : -1;
      this.#usage = usageFrom(bytes, start, end);
      this.#firstUsage ??= this.#usage;
      this.#notePartial(flags, wasFinished);
      if (isAlone && (this.usage?.completionTokens ?? 0) <= before) saysAnything = false;
      if (this.hidesUsage) this.#hideUsage(flags, bytes, start, end);
    }
    if (flags & DONE) {
      if (!this.finished && this.understood) {
        this.fault = fault("empty", "it ended the stream before the answer was whole");
        return false;
      }
      this.done = true;
    }
    // What is not understood may say something in any event.
    if (!this.understood) saysAnything = (flags & SAYS_NOTHING & ~SILENT) === 0;
    if (saysAnything) {
      if ((flags & ~(CLOSELY | USAGE)) === PLAIN) this.pieces++;
      this.progress++;
      this.meaningful = true;
      this.#silent = 0;
      return true;
    }
    this.#silent += end - start;
    if (this.#silent <= MAX_SILENT_BYTES || this.finished) return true;
    this.fault = fault("empty", `it sent more than ${MAX_SILENT_BYTES} bytes that say nothing`);
    return false;
  }

  #notePartial(flags: number, wasFinished: boolean): void {
    if (wasFinished || (flags & APART) !== 0) this.#isUsagePartial = false;
    else if (this.choices > 1 || (flags & (OPENING | FINISH | STOPPING)) === 0) {
      this.#isUsagePartial = true;
    }
  }

  /** A server that tells figures with each event does so unasked, and the client would see them. */
  #hideUsage(flags: number, bytes: Uint8Array, start: number, end: number): void {
    if (hasOnlyFigures(bytes, start, end)) this.#isHidden = true;
    else if ((flags & FINISH) === 0) this.hidesUsage = false;
  }

  /** Holds the bytes from `start` on until their event has ended; returns up to where they go on. */
  #keep(bytes: Uint8Array, start: number): number {
    const pending = this.#pending;
    if (this.fault !== null || this.#over) {
      pending.clear();
      return start;
    }
    if (bytes.length - start > MAX_UNKNOWN_BYTES && this.#isUnread) {
      const until = bytes.length - LOOK_BACK;
      pending.keep(bytes, until);
      this.#inside = true;
      this.meaningful = true;
      this.progress++;
      return until;
    }
    pending.keep(bytes, start);
    if (pending.length > MAX_COMMENT_BYTES) this.#limit(pending.bytes);
    return start;
  }

  /** Nobody needs the events whole. */
  get #isUnread(): boolean {
    return !this.understood && this.store === null && this.ids === null;
  }

  #limit(event: Uint8Array): void {
    const isComment = event[0] === COLON && event.indexOf(LF) < 0;
    if (!isComment && event.length <= MAX_EVENT_BYTES) return;
    this.#pending.clear();
    // Behind the end of the answer nothing takes it away.
    if (this.finished) this.#over = true;
    else {
      this.fault = isComment
        ? fault("malformed", `it sent a comment of more than ${MAX_COMMENT_BYTES} bytes`)
        : fault("malformed", `it sent an event of more than ${MAX_EVENT_BYTES} bytes`);
    }
  }
}

/** Whether all lines of `bytes` are comments or blank. */
function isComment(bytes: Uint8Array): boolean {
  const lines = new TextDecoder().decode(bytes).split(/\r\n|\n|\r/);
  return lines.every((line) => line === "" || line.startsWith(":"));
}

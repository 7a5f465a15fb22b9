// The stage of policies in a streamed answer: what the instances generated goes in, what the client may see
// comes out. Events wait only while their text may still begin something that is acted on; what is found is
// masked, replaced, or ends the choice that said it.

import type { Api } from "../../api/dialects.ts";
import { dialectOf } from "../../api/dialects.ts";
import type { Text } from "../../api/dialect.ts";
import type { ToldUsage } from "../../api/usage.ts";
import { eventsIn } from "../../api/wire.ts";
import { type Json, objectIn } from "../../json/json.ts";
import type { EventStore } from "../../sse/event_store.ts";
import { anyEventEnd, eventEnd, readEvent } from "../../sse/framing.ts";
import { edited } from "../text/edits.ts";
import type { PolicyTrail } from "../trail.ts";
import { choicesOf, eventOf, withoutChoices, withoutEnds } from "./choices.ts";
import { type Change, HeldEvent, rewritten, shownBytes } from "./held.ts";
import type { Lane, Piece } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import { MADE, Output } from "./output.ts";
import { Queues } from "./queues.ts";
import type { AnswerRules } from "./rules.ts";
import { ShapedPiece } from "./shape.ts";
import { Shortcut } from "./shortcut.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);
const CR = 13;
/** Bytes of events that wait at most. An honest text comes nowhere near: longer lists have shorter phrases. */
const MAX_HELD_BYTES = 256 * 1024;
/** Events that are about no text, and end none. */
const QUIET = /^(ping|keepalive|heartbeat|response\.(created|in_progress|queued)|message_start)$/;

export interface FilteredAnswer {
  readonly api: Api;
  /** How many answers the client asked for. */
  readonly choices: number;
  /** Whether the client wants figures in a last event. */
  readonly tellsUsage: boolean;
  /** What the answer has cost so far; null where nobody knows. */
  usage(): ToldUsage | null;
}

export class AnswerFilter {
  /** Policies have ended the answer: nothing follows. */
  isOver = false;
  /** Whether some choice was cut. */
  isCut = false;
  readonly #lanes: Lanes;
  readonly #queues = new Queues();
  readonly #ended = new Set<number>();
  readonly #cut = new Set<number>();
  readonly #output: Output;
  readonly #shortcut: Shortcut;
  /** Events so far that are kept where they were generated. */
  #count = 0;
  /** `[DONE]` came; what follows it is kept nowhere. */
  #isDone = false;

  constructor(
    private readonly rules: AnswerRules,
    private readonly answer: FilteredAnswer,
    private readonly trail: PolicyTrail,
    maxBytes: number,
    /** Where every event of the answer is kept before it comes here; null where that is nowhere. */
    private readonly generated: () => EventStore | null = () => null,
  ) {
    this.#lanes = new Lanes(rules, trail);
    this.#shortcut = new Shortcut(rules.units);
    this.#output = new Output(maxBytes, generated);
  }

  /** Every event that came out. */
  get shown(): EventStore {
    return this.#output.store;
  }

  /** Whole events in, whole events out. */
  take(events: Uint8Array): Uint8Array {
    this.#output.begin();
    // One event alone, as a rule.
    if (!this.isOver && !this.#takeUsual(events, this.#comparison)) this.#takeAll(events);
    return this.#output.taken(events);
  }

  #takeAll(events: Uint8Array): void {
    const hasCarriages = events.includes(CR);
    for (let start = 0; start < events.length && !this.isOver;) {
      const end = firstEnd(events, start, hasCarriages);
      const isAlone = start === 0 && end === events.length;
      const event = isAlone ? events : events.subarray(start, end);
      if (isAlone || !this.#takeUsual(event, null)) this.#event(event);
      start = end;
    }
  }

  /** What was held, at an end that the API's own signs did not tell. */
  flush(): Uint8Array {
    this.#output.begin();
    if (!this.isOver) this.#endAll();
    return this.#output.taken(NOTHING);
  }

  #event(bytes: Uint8Array): void {
    const event = readEvent(bytes, 0, bytes.length);
    if (!event?.data) return this.#output.emit(bytes, true, MADE);
    const text = decoder.decode(event.data);
    // No JSON, which it would cost some to find out.
    const isEnd = text.trim() === "[DONE]";
    const data = isEnd ? null : objectIn(text);
    // What else is no object is not kept where it was generated, or not always.
    const isKept = !this.#isDone && (data !== null || isEnd);
    if (!isKept) this.#output.apart();
    const number = isKept ? this.#count++ : MADE;
    if (data !== null) return this.#read(bytes, number, event.name, data);
    if (isEnd) this.#endAll();
    this.#pass(bytes, number);
    if (isEnd) this.#isDone = true;
  }

  /** What knows what the next event, if it comes alone, has in common with the one before; else null. */
  get #comparison(): EventStore | null {
    const kept = this.generated();
    return kept !== null && kept.count === this.#count + 1 && kept.isComparedKept ? kept : null;
  }

  /** An event that differs from one before in its text alone is not parsed. */
  #takeUsual(bytes: Uint8Array, compared: EventStore | null): boolean {
    const shape = this.#shortcut.shapeOf(bytes, this.#count, compared);
    const { units } = this.#shortcut;
    if (shape === null || units.count === 0 || this.#isDone) return false;
    const { lane } = shape;
    const number = this.#count++;
    if (this.#cut.size > 0 && this.#cut.has(lane.choice)) return true;
    this.#lanes.passBy(lane.choice, lane, units.count);
    lane.takeUnits(units.all, units.count);
    const at = this.#queues.placeOf(lane.choice);
    const { reading } = lane;
    if (reading.isSettled && this.#queues.isEmpty(at)) {
      this.#output.emit(bytes, true, number);
      return true;
    }
    const piece = new ShapedPiece(shape, reading.length - units.count, reading.length);
    const event = new HeldEvent(bytes, number, shape.choices, [piece]);
    piece.event = event;
    this.#queues.hold(at, event);
    this.#drain(at, bytes);
    return true;
  }

  #read(bytes: Uint8Array, number: number, name: string, data: Json): void {
    const { api } = this.answer;
    const choices = choicesOf(api, data);
    if (this.#cut.size > 0 && choices.length > 0) {
      const left = choices.filter(({ index }) => !this.#cut.has(index));
      if (left.length === 0) return;
      if (left.length < choices.length) return this.#readLeft(data, name);
    }
    const texts = dialectOf(api).texts(data, name);
    const pieces: Piece[] = [];
    const repeated: Change[] = [];
    for (const place of texts) {
      if (place.text === "") continue;
      const same = place.repeats ? sameIn(pieces, place) : null;
      if (same !== null) pieces.push({ ...same, place });
      else if (place.repeats) repeated.push({ place, text: this.#lanes.again(place) });
      else {
        const piece = this.#lanes.read(place);
        if (piece !== null) pieces.push(piece);
      }
    }
    for (const { index, ends } of choices) if (ends) this.#end(index);
    const isNamed = api === "responses" || api === "messages";
    const says = texts.some(({ text, repeats }) => text !== "" && !repeats);
    const type = typeof data.type === "string" ? data.type : name;
    if (isNamed && !says && !QUIET.test(type)) this.#end(0);
    if (choices.length > 0 && choices.every(({ index }) => this.#cut.has(index))) return;
    const about = choices.map(({ index }) => index);
    const at = this.#queues.placeFor(about, isNamed);
    this.#queues.hold(at, new HeldEvent(bytes, number, about, pieces, repeated));
    this.#drain(at, bytes);
    if (
      pieces.length === 1 && texts.filter(({ text }) => text !== "").length === 1 &&
      choices.every(({ ends }) => !ends)
    ) {
      this.#shortcut.learn(bytes, pieces[0]);
    }
  }

  /** An event of several choices, some of which are cut: those are taken out of it. */
  #readLeft(data: Json, name: string): void {
    const rest = withoutChoices(data, this.#cut);
    this.#read(eventOf(rest), MADE, name, rest);
  }

  /** No more text of a choice comes. */
  #end(choice: number): void {
    this.#lanes.end(choice);
    this.#ended.add(choice);
    this.#drain(this.#queues.placeOf(choice));
  }

  #endAll(): void {
    this.#lanes.endAll();
    for (const at of this.#queues.places) this.#drain(at);
  }

  /** What is no part of the answer passes behind what waits. */
  #pass(bytes: Uint8Array, number: number): void {
    const at = this.#queues.placeFor([], false);
    this.#queues.hold(at, new HeldEvent(bytes, number, [], []));
    this.#drain(at, bytes);
  }

  /** Lets go of what is settled. `now` are the bytes of the event that is at hand: valid only just now. */
  #drain(at: number, now: Uint8Array | null = null): void {
    for (let isCut = true; isCut && !this.isOver;) {
      const queue = this.#queues.at(at);
      if (queue === undefined || queue.length === 0) return;
      isCut = this.#letGo(at, queue, now);
      if (!isCut && this.#queues.bytes > MAX_HELD_BYTES) isCut = this.#giveUp(queue);
    }
    const last = this.#queues.at(at)?.at(-1);
    if (now !== null && last?.bytes === now) {
      last.bytes = this.#output.copyOf(now);
      last.waitsSince = performance.now();
    }
  }

  /** Whether it came to a cut. */
  #letGo(at: number, queue: HeldEvent[], now: Uint8Array | null): boolean {
    const first = queue[0].waitsSince;
    let gone = 0;
    for (; gone < queue.length; gone++) {
      const event = queue[gone];
      const { pieces, bytes } = event;
      if (!isSettled(pieces)) break;
      this.#queues.bytes -= bytes.length;
      const cut = pieces.filter(isCut);
      if (cut.length > 0) {
        if (first > 0) this.trail.held(performance.now() - first);
        queue.splice(0, gone + 1);
        this.#cutAt(event, cut.map(({ lane }) => lane), at);
        return true;
      }
      const shown = shownBytes(event);
      this.#output.emit(shown, shown === now, shown === bytes ? event.number : MADE);
      for (let i = 0; i < pieces.length; i++) pieces[i].lane.reading.shown(pieces[i].end);
    }
    if (gone > 0 && first > 0) this.trail.held(performance.now() - first);
    if (gone === 1) queue.shift();
    else if (gone > 0) queue.splice(0, gone);
    return false;
  }

  /**
   * Too much waits for the first text in the queue: it is cut there, since what it may still become is not
   * known. Whether there was one.
   */
  #giveUp(queue: readonly HeldEvent[]): boolean {
    const waiting = queue[0]?.pieces.find(({ lane, end }) => !lane.isSettled(end));
    if (waiting === undefined) return false;
    if (this.rules.isHarmless) waiting.lane.end();
    else waiting.lane.reading.giveUp();
    return true;
  }

  /** Ends the choices whose texts are cut in `event`. */
  #cutAt(event: HeldEvent, lanes: readonly Lane[], at: number): void {
    const texts = event.pieces.map(({ lane: own, place, start, end }) => {
      const until = own.reading.cutAt < 0 ? end : Math.min(end, own.reading.cutAt);
      const text = until <= start
        ? ""
        : edited(place.text.slice(0, until - start), start, until, own.reading.edits);
      return { place, text };
    });
    const cut = new Map(lanes.toReversed().map((lane) => [lane.choice, lane]));
    if (texts.some(({ text }) => text !== "") || event.choices.some((one) => !cut.has(one))) {
      const changes = texts.filter(({ place, text }) => place.text !== text);
      this.#output.emit(
        rewritten(withoutEnds(event.bytes, cut), [...event.repeated, ...changes]),
        false,
        MADE,
      );
    }
    this.isCut = true;
    this.#output.apart();
    for (const { choice, reading } of cut.values()) {
      reading.shown(reading.cutAt);
      this.#cut.add(choice);
    }
    this.#queues.leaveOut(at, this.#cut);
    for (const lane of cut.values()) this.#endChoice(lane);
  }

  #endChoice({ choice, reading }: Lane): void {
    const { api, choices, tellsUsage } = this.answer;
    const dialect = dialectOf(api);
    const usage = this.answer.usage();
    const sent = () => eventsIn(this.shown.events());
    const message = this.rules.messages.get(reading.cutBy?.name ?? "");
    if (message !== undefined && choice === 0 && dialect.voice !== undefined) {
      this.#output.emitAll(encoder.encode(dialect.voice(sent()).say("content", message)));
    }
    this.#output.emitAll(dialect.endEvents({ reason: "content_filter", choice, usage }, sent()));
    const over = new Set([...this.#ended, ...this.#cut]);
    if (over.size < choices) return;
    this.isOver = true;
    const isChunked = api === "chat" || api === "completions";
    if (isChunked && dialect.voice !== undefined) {
      const tail = dialect.voice(sent()).tail({ usage, tellsUsage });
      this.#output.emitAll(encoder.encode(tail));
    }
  }
}

function isSettled(pieces: readonly Piece[]): boolean {
  for (let at = 0; at < pieces.length; at++) {
    const { lane, end } = pieces[at];
    if (!lane.isSettled(end)) return false;
  }
  return true;
}

function isCut({ lane: { reading }, end }: Piece): boolean {
  return reading.cutAt >= 0 && reading.cutAt < end;
}

/** The piece of the same event that says the same under another name. */
function sameIn(pieces: readonly Piece[], { choice, channel, text }: Text): Piece | null {
  return pieces.find(({ place }) =>
    place.choice === choice && place.channel === channel && place.text === text
  ) ?? null;
}

/** Position after the first event that begins at `start`. */
function firstEnd(events: Uint8Array, start: number, hasCarriages: boolean): number {
  const usual = eventEnd(events, start, events.length);
  const end = usual < 0 ? events.length : usual;
  // Lines may end by a CR alone: an event that is over earlier would be read as a part of another.
  const first = hasCarriages ? anyEventEnd(events, start, end) : -1;
  return first < 0 ? end : first;
}

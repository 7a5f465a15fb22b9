// The stage of policies in a streamed answer: what the instances generated goes in, what the client may see
// comes out. Events wait only while their text may still begin something that is acted on; what is found is
// masked, replaced, or ends the choice that said it.

import type { Api } from "../../api/dialects.ts";
import { dialectOf } from "../../api/dialects.ts";
import type { Text } from "../../api/dialect.ts";
import type { Usage } from "../../api/usage.ts";
import { eventsIn, objectIn } from "../../api/wire.ts";
import type { Json } from "../../sse/assemble/answer.ts";
import type { EventStore } from "../../sse/event_store.ts";
import { anyEventEnd, eventEnd, readEvent } from "../../sse/framing.ts";
import { edited } from "../text/edits.ts";
import { readWhole } from "../text/read_whole.ts";
import type { TextRule } from "../text/rules.ts";
import type { PolicyTrail } from "../trail.ts";
import { choicesOf, eventOf, heldWithout, withoutChoices, withoutEnds } from "./choices.ts";
import { type Change, HeldEvent, rewritten, shownBytes } from "./held.ts";
import { Lane, type Piece } from "./lane.ts";
import { Output } from "./output.ts";
import { ANSWER_CHANNELS, type AnswerRules } from "./rules.ts";
import { ShapedPiece } from "./shape.ts";
import { Shortcut } from "./shortcut.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);
/** So many characters of other texts may come before the rest of one is no longer waited for. */
const PATIENCE_CHARS = 64;
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
  usage(): Usage | null;
}

export class AnswerFilter {
  /** Policies have ended the answer: nothing follows. */
  isOver = false;
  /** Whether some choice was cut. */
  isCut = false;
  readonly #lanes = new Map<string, Lane>();
  /** Events that wait, by choice. */
  readonly #queues = new Map<number, HeldEvent[]>();
  /** All wait in one queue, since one came that belongs to several. */
  #isJoint = false;
  readonly #ended = new Set<number>();
  readonly #cut = new Set<number>();
  #heldBytes = 0;
  readonly #output: Output;
  readonly #shortcut = new Shortcut();

  constructor(
    private readonly rules: AnswerRules,
    private readonly answer: FilteredAnswer,
    private readonly trail: PolicyTrail,
    maxBytes: number,
  ) {
    this.#output = new Output(maxBytes);
  }

  /** Every event that came out. */
  get shown(): EventStore {
    return this.#output.store;
  }

  /** Nothing is held. */
  get caughtUp(): boolean {
    for (const queue of this.#queues.values()) if (queue.length > 0) return false;
    return true;
  }

  /** Whole events in, whole events out. */
  take(events: Uint8Array): Uint8Array {
    this.#output.begin();
    // One event alone, as a rule.
    if (!this.isOver && !this.#takeUsual(events)) this.#takeAll(events);
    return this.#output.taken(events);
  }

  #takeAll(events: Uint8Array): void {
    for (let start = 0; start < events.length && !this.isOver;) {
      let end = eventEnd(events, start, events.length);
      if (end < 0) end = anyEventEnd(events, start, events.length);
      if (end < 0) end = events.length;
      const isAlone = start === 0 && end === events.length;
      const event = isAlone ? events : events.subarray(start, end);
      if (isAlone || !this.#takeUsual(event)) this.#event(event);
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
    if (!event?.data) return this.#output.emit(bytes, true);
    const text = decoder.decode(event.data);
    const data = objectIn(text);
    if (data === null) {
      if (text.trim() === "[DONE]") this.#endAll();
      return this.#pass(bytes);
    }
    this.#read(bytes, event.name, data);
  }

  /** An event that differs from one before in its text alone is not parsed. */
  #takeUsual(bytes: Uint8Array): boolean {
    const shape = this.#shortcut.shapeOf(bytes);
    const { units } = this.#shortcut;
    if (shape === null || units.count === 0) return false;
    const { lane } = shape;
    if (this.#cut.size > 0 && this.#cut.has(lane.choice)) return true;
    if (this.#lanes.size > 1) this.#passBy(lane.choice, lane, units.count);
    lane.takeUnits(units.all, units.count);
    const at = this.#isJoint ? 0 : lane.choice;
    const queue = this.#queues.get(at);
    const { reading } = lane;
    if ((queue === undefined || queue.length === 0) && reading.isSettled) {
      this.#output.emit(bytes, true, shape);
      return true;
    }
    const piece = new ShapedPiece(shape, reading.length - units.count, reading.length);
    const event = new HeldEvent(bytes, shape.choices, [piece], undefined, shape);
    piece.event = event;
    this.#hold(at, event);
    this.#drain(at, bytes);
    return true;
  }

  #read(bytes: Uint8Array, name: string, data: Json): void {
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
      const same = place.repeats ? this.#sameIn(pieces, place) : null;
      if (same !== null) pieces.push({ ...same, place });
      else if (place.repeats) repeated.push({ place, text: this.#again(place) });
      else {
        const piece = this.#pieceOf(place);
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
    const at = this.#queueFor(about, isNamed);
    this.#hold(at, new HeldEvent(bytes, about, pieces, repeated));
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
    this.#read(eventOf(rest), name, rest);
  }

  /** The piece of the same event that says the same under another name. */
  #sameIn(pieces: readonly Piece[], { choice, channel, text }: Text): Piece | null {
    return pieces.find(({ place }) =>
      place.choice === choice && place.channel === channel && place.text === text
    ) ?? null;
  }

  /** What is shown of a text that is told once more as a whole. */
  #again({ channel, text }: Text): string {
    const rules = this.rules.rulesFor(channel);
    return rules === null
      ? text
      : readWhole(rules, text, this.rules.isJson(channel), () => {}).text;
  }

  #pieceOf(place: Text): Piece | null {
    const rules = this.rules.rulesFor(place.channel);
    const { choice, channel, part } = place;
    if (rules === null) {
      this.#passBy(choice, null, place.text.length);
      return null;
    }
    const id = `${choice} ${channel} ${part}`;
    let lane = this.#lanes.get(id);
    if (lane === undefined) {
      const isJson = this.rules.isJson(channel);
      lane = new Lane(choice, isJson, rules, (rule) => this.#hit(rule, channel, choice));
      this.#lanes.set(id, lane);
    }
    if (this.#lanes.size > 1) this.#passBy(choice, lane, place.text.length);
    const start = lane.reading.length;
    lane.take(place.text);
    return { lane, place, start, end: lane.reading.length };
  }

  /** Other texts of the choice are not waited for much longer. */
  #passBy(choice: number, lane: Lane | null, chars: number): void {
    for (const other of this.#lanes.values()) {
      if (other === lane || other.choice !== choice) continue;
      other.passedBy += chars;
      if (other.passedBy > PATIENCE_CHARS) other.end();
    }
  }

  #hit(rule: TextRule, channel: Text["channel"], choice: number): void {
    const { name, mode, said } = rule;
    this.trail.hit({
      name,
      mode,
      action: said,
      stage: "answer",
      channel: ANSWER_CHANNELS[channel],
      choice,
    });
  }

  /** No more text of a choice comes. */
  #end(choice: number): void {
    for (const lane of this.#lanes.values()) if (lane.choice === choice) lane.end();
    this.#ended.add(choice);
    this.#drain(this.#isJoint ? 0 : choice);
  }

  #endAll(): void {
    for (const lane of this.#lanes.values()) lane.end();
    for (const at of [...this.#queues.keys()]) this.#drain(at);
  }

  /** The queue of an event about these choices. */
  #queueFor(choices: readonly number[], isNamed: boolean): number {
    if (isNamed || this.#isJoint) return 0;
    if (choices.length === 1) return choices[0];
    const busy = [...this.#queues].filter(([, queue]) => queue.length > 0);
    if (choices.length === 0) return busy.at(-1)?.[0] ?? 0;
    const all = busy.flatMap(([, queue]) => queue);
    this.#queues.clear();
    this.#queues.set(0, all);
    this.#isJoint = true;
    return 0;
  }

  /** What is no part of the answer passes behind what waits. */
  #pass(bytes: Uint8Array): void {
    const at = this.#queueFor([], false);
    this.#hold(at, new HeldEvent(bytes, [], []));
    this.#drain(at, bytes);
  }

  #hold(at: number, event: HeldEvent): void {
    this.#heldBytes += event.bytes.length;
    const queue = this.#queues.get(at);
    if (queue === undefined) this.#queues.set(at, [event]);
    else queue.push(event);
  }

  /** Lets go of what is settled. `now` are the bytes of the event that is at hand: valid only just now. */
  #drain(at: number, now: Uint8Array | null = null): void {
    for (let isCut = true; isCut && !this.isOver;) {
      const queue = this.#queues.get(at);
      if (queue === undefined || queue.length === 0) return;
      isCut = this.#letGo(at, queue, now);
      if (!isCut && this.#heldBytes > MAX_HELD_BYTES) isCut = this.#giveUp(queue);
    }
    const last = this.#queues.get(at)?.at(-1);
    if (now !== null && last?.bytes === now) last.bytes = this.#output.copyOf(now);
  }

  /** Whether it came to a cut. */
  #letGo(at: number, queue: HeldEvent[], now: Uint8Array | null): boolean {
    let gone = 0;
    for (; gone < queue.length; gone++) {
      const event = queue[gone];
      const { pieces, bytes } = event;
      if (!isSettled(pieces)) break;
      this.#heldBytes -= bytes.length;
      const cut = pieces.filter(isCut);
      if (cut.length > 0) {
        queue.splice(0, gone + 1);
        this.#cutAt(event, cut.map(({ lane }) => lane), at);
        return true;
      }
      const shown = shownBytes(event);
      this.#output.emit(shown, shown === now, shown === bytes ? event.shape : null);
      for (let i = 0; i < pieces.length; i++) pieces[i].lane.reading.shown(pieces[i].end);
    }
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
      );
    }
    this.isCut = true;
    for (const { choice, reading } of cut.values()) {
      reading.shown(reading.cutAt);
      this.#cut.add(choice);
    }
    this.#leaveOut(at);
    for (const lane of cut.values()) this.#endChoice(lane);
  }

  /** What waits behind a cut is about other choices alone. */
  #leaveOut(at: number): void {
    const left = (this.#queues.get(at) ?? [])
      .filter(({ choices }) => choices.length === 0 || choices.some((one) => !this.#cut.has(one)))
      .map((event) =>
        event.choices.some((one) => this.#cut.has(one)) ? heldWithout(event, this.#cut) : event
      );
    this.#queues.set(at, left);
    this.#heldBytes = 0;
    for (const queue of this.#queues.values()) {
      for (const { bytes } of queue) this.#heldBytes += bytes.length;
    }
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

// Guards before an answer. They look at windows of it, which end with a sentence where there is one. What is
// said waits until they have seen it, or goes out at once and all choices end when one has refused.

import { type Api, dialectOf } from "../../api/dialects.ts";
import type { Text } from "../../api/dialect.ts";
import type { ToldUsage } from "../../api/usage.ts";
import { eventsIn } from "../../api/wire.ts";
import { isObject, type Json, objectIn } from "../../json/json.ts";
import { joined } from "../../http/joined.ts";
import { EventStore } from "../../sse/event_store.ts";
import { anyEventEnd, readEvent } from "../../sse/framing.ts";
import { isReason } from "../../sse/meaning.ts";
import { withoutAnswer } from "../answer/whole.ts";
import type { AnswerGuards } from "./answer_guards.ts";
import type { PolicyTrail } from "../trail.ts";
import type { GuardText } from "./verdict.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);
const SENTENCE_END = /[.!?。！？…\n]["'”’)\]]*\s*$/;
/** How many windows long a text without an end of a sentence may be. */
const PATIENCE = 2;
/** Bytes of events that wait at most, whatever little they say. */
const MAX_HELD_BYTES = 256 * 1024;
/** Events after which a named stream says nothing more. */
const LAST = /^(message_delta|message_stop|response\.(completed|incomplete|failed))$/;

export interface GatedAnswer {
  readonly api: Api;
  readonly choices: number;
  readonly tellsUsage: boolean;
  usage(): ToldUsage | null;
}

interface Refusal {
  readonly message: string | null;
}

export class AnswerGate {
  /** Every event that came out. */
  readonly shown: EventStore;
  /** A guard has ended the answer: nothing follows. */
  isOver = false;
  /** Events that wait, and what they say. */
  #held: Uint8Array[] = [];
  #texts = new Map<string, GuardText & { choice: number }>();
  #length = 0;
  #heldBytes = 0;
  /** performance.now() of when the first of them began to wait; 0 where none does. */
  #waitsSince = 0;
  /** Guards that are asked about what went out already; null while none are. */
  #asked: Promise<void> | null = null;
  /** What went wrong meanwhile, for whoever comes next. */
  #fault: { error: unknown } | null = null;
  /** What they said against it. */
  #refusal: Refusal | null = null;
  readonly #ended = new Set<number>();

  constructor(
    private readonly guards: AnswerGuards,
    private readonly answer: GatedAnswer,
    private readonly trail: PolicyTrail,
    maxBytes: number,
  ) {
    this.shown = new EventStore(maxBytes);
  }

  /** Whole events in; those that guards have seen out. */
  async take(events: Uint8Array): Promise<Uint8Array> {
    const out: Uint8Array[] = [];
    // The bytes are the caller's again while a guard is asked.
    const own = events.slice();
    for (let start = 0; start < own.length && !this.isOver;) {
      const next = anyEventEnd(own, start, own.length);
      const end = next < 0 ? own.length : next;
      this.#event(own.subarray(start, end));
      start = end;
      out.push(
        this.guards.releases === "after"
          ? await this.#afterJudgement()
          : await this.#beforeJudgement(),
      );
    }
    return joined(out);
  }

  /** The rest, at the end of the stream. */
  async flush(): Promise<Uint8Array> {
    if (this.isOver) return NOTHING;
    if (this.guards.releases === "first") return await this.#lastShown();
    return this.#held.length === 0 ? NOTHING : await this.#judged(true);
  }

  /** What may go out once guards have seen it. */
  async #afterJudgement(): Promise<Uint8Array> {
    // What comes before the first word of a window is nobody's to judge.
    if (this.#length === 0) return this.#released();
    this.#waits();
    return this.#isDue ? await this.#judged(false) : NOTHING;
  }

  /** All of it, but for the end: that waits until guards have seen all. */
  async #beforeJudgement(): Promise<Uint8Array> {
    if (this.#ended.size >= this.answer.choices) return await this.#lastShown();
    // They may fall behind, but not for ever.
    if (this.#asked !== null && this.#length >= this.guards.window * PATIENCE) {
      this.#waits();
      await this.#asked;
    }
    if (this.#fault !== null) throw this.#fault.error;
    if (this.#refusal !== null) return this.#cut(this.#refusal.message);
    if (this.#asked === null && this.#isDue) this.#ask(false);
    return this.#released();
  }

  async #lastShown(): Promise<Uint8Array> {
    this.#waits();
    await this.#asked;
    if (this.#refusal === null && this.#length > 0) await this.#ask(true);
    if (this.#fault !== null) throw this.#fault.error;
    return this.#refusal === null ? this.#released() : this.#cut(this.#refusal.message);
  }

  /** Asks guards about what has been said since they were asked last. */
  #ask(isLast: boolean): Promise<void> {
    const texts = this.#taken();
    const asked = this.guards.judge(texts, isLast, this.trail).then((refusal) => {
      this.#refusal ??= refusal;
    }, (error) => {
      this.#fault = { error };
    }).then(() => {
      this.#asked = null;
    });
    return this.#asked = asked;
  }

  #taken(): (GuardText & { choice: number })[] {
    const texts = [...this.#texts.values()];
    this.#texts = new Map();
    this.#length = 0;
    return texts;
  }

  /** A body that comes whole. */
  async whole(body: Uint8Array): Promise<Uint8Array> {
    const data = objectIn(decoder.decode(body));
    if (data === null) return body;
    for (const text of dialectOf(this.answer.api).texts(data)) this.#note(text);
    if (this.#length === 0) return body;
    const refusal = await this.guards.judge([...this.#texts.values()], true, this.trail);
    if (refusal === null) return body;
    this.isOver = true;
    return withoutAnswer(this.answer.api, body, refusal.message);
  }

  get #isDue(): boolean {
    if (this.#length === 0) return false;
    if (this.#ended.size >= this.answer.choices) return true;
    if (this.#heldBytes > MAX_HELD_BYTES) return true;
    const { window } = this.guards;
    if (this.#length < window) return false;
    return this.#length >= window * PATIENCE ||
      [...this.#texts.values()].every(({ text }) => SENTENCE_END.test(text));
  }

  #event(bytes: Uint8Array): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    const event = readEvent(bytes, 0, bytes.length);
    const data = event?.data ? objectIn(decoder.decode(event.data)) : null;
    if (data === null) return;
    const { api } = this.answer;
    const name = event!.name;
    for (const text of dialectOf(api).texts(data, name)) if (!text.repeats) this.#note(text);
    const type = typeof data.type === "string" ? data.type : name;
    if (api === "chat" || api === "completions") {
      for (const choice of endedIn(data)) this.#ended.add(choice);
    } else if (LAST.test(type)) this.#ended.add(0);
  }

  #note({ choice, channel, text }: Text): void {
    const named = channel === "arguments" ? "tool_arguments" : channel;
    if (text === "" || !this.guards.looksAt(named)) return;
    const id = `${choice} ${channel}`;
    const before = this.#texts.get(id)?.text ?? "";
    this.#texts.set(id, { role: "assistant", channel: named, choice, text: before + text });
    this.#length += text.length;
  }

  async #judged(final: boolean): Promise<Uint8Array> {
    const texts = this.#taken();
    const isLast = final || this.#ended.size >= this.answer.choices;
    const refusal = texts.length === 0 ? null : await this.guards.judge(texts, isLast, this.trail);
    return refusal === null ? this.#released() : this.#cut(refusal.message);
  }

  /** What is held now waits for a verdict. */
  #waits(): void {
    if (this.#waitsSince === 0 && this.#held.length > 0) this.#waitsSince = performance.now();
  }

  #waitsNoMore(): void {
    if (this.#waitsSince > 0) this.trail.held(performance.now() - this.#waitsSince);
    this.#waitsSince = 0;
  }

  #released(): Uint8Array {
    this.#waitsNoMore();
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    return this.#emit(joined(held));
  }

  #cut(message: string | null): Uint8Array {
    this.#waitsNoMore();
    this.#held = [];
    this.#heldBytes = 0;
    this.isOver = true;
    const { api, choices, tellsUsage } = this.answer;
    const dialect = dialectOf(api);
    const usage = this.answer.usage();
    const sent = () => eventsIn(this.shown.events());
    const out: Uint8Array[] = [];
    if (message !== null && dialect.voice !== undefined) {
      out.push(this.#emit(encoder.encode(dialect.voice(sent()).say("content", message))));
    }
    for (let choice = 0; choice < choices; choice++) {
      if (this.#isShownEnded(choice)) continue;
      const end = { reason: "content_filter", choice, usage } as const;
      out.push(this.#emit(dialect.endEvents(end, sent())));
    }
    if ((api === "chat" || api === "completions") && dialect.voice !== undefined) {
      out.push(this.#emit(encoder.encode(dialect.voice(sent()).tail({ usage, tellsUsage }))));
    }
    return joined(out);
  }

  /** Whether the client has the end of a choice. */
  #isShownEnded(choice: number): boolean {
    for (const { data } of eventsIn(this.shown.events())) {
      if (endedIn(data).includes(choice)) return true;
    }
    return false;
  }

  #emit(bytes: Uint8Array): Uint8Array {
    for (let start = 0; start < bytes.length;) {
      const next = anyEventEnd(bytes, start, bytes.length);
      const end = next < 0 ? bytes.length : next;
      this.shown.push(bytes, start, end);
      start = end;
    }
    return bytes;
  }
}

/** The choices that end with an event of chat or completions. */
function endedIn(data: Json): number[] {
  if (!Array.isArray(data.choices)) return [];
  return data.choices.filter(isObject)
    .filter((one) => typeof one.finish_reason === "string" && isReason(one.finish_reason))
    .map((one) => typeof one.index === "number" ? one.index : 0);
}

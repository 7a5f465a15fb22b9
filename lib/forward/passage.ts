// What policies do to an answer on its way to the client: rules on its texts first, then the guards that look
// at it before the client does, then what puts back what was replaced in the prompt. Without policies that
// look at the answer there is no passage.

import { streamOptionsIn, wantsUsage } from "../api/stream_options.ts";
import { joined } from "../http/joined.ts";
import { AnswerFilter } from "../policy/answer/filter.ts";
import type { AnswerRules } from "../policy/answer/rules.ts";
import { filteredBody } from "../policy/answer/whole.ts";
import { AnswerGate } from "../policy/guard/answer_gate.ts";
import type { Policed } from "../policy/policy.ts";
import { PolicyTrail } from "../policy/trail.ts";
import type { EventStore } from "../sse/event_store.ts";
import type { Usage } from "../sse/usage.ts";
import type { ForwardRequest } from "./request.ts";

const NOTHING = new Uint8Array(0);

export interface PassageParts {
  /** Bytes of events that are kept. */
  readonly maxBytes: number;
  /** Figures for the end of an answer that policies cut. */
  usage(): Usage | null;
  /** Where every event is kept before it comes here. */
  generated(): EventStore | null;
}

/** A whole body behind the passage. */
export interface PassedBody {
  /** As it is recorded. */
  readonly shown: Uint8Array;
  /** As the client has it: the same, but for what was put back. */
  readonly sent: Uint8Array;
}

export class Passage {
  readonly #filter: AnswerFilter | null;
  readonly #gate: AnswerGate | null;
  readonly #restore: AnswerFilter | null;
  /** Policies have ended the answer: nothing more is asked for. */
  isOver = false;

  private constructor(
    private readonly policed: Policed,
    private readonly api: NonNullable<ForwardRequest["api"]>,
    { choices, streamOptions, body }: ForwardRequest,
    { maxBytes, usage, generated }: PassageParts,
  ) {
    const { plan: { answer: rules, guards }, restore, trail } = policed;
    const options = streamOptions.at(-1);
    const tellsUsage = options !== undefined && wantsUsage(streamOptionsIn(body, options));
    const answer = { api, choices, tellsUsage, usage };
    const filter = (rules: AnswerRules, trail: PolicyTrail, maxBytes: number, from = nowhere) =>
      new AnswerFilter(rules, answer, trail, maxBytes, from);
    this.#filter = rules === null ? null : filter(rules, trail, maxBytes, generated);
    this.#gate = guards === null ? null : new AnswerGate(guards, answer, trail, maxBytes);
    // What is put back is nobody's finding, and records do without.
    this.#restore = restore === null ? null : filter(restore, new PolicyTrail(trail), 0);
  }

  /** null where no policy looks at the answer. */
  static of(request: ForwardRequest, parts: PassageParts): Passage | null {
    const { policed, api } = request;
    if (policed === null || api === null) return null;
    const { plan: { answer, guards }, restore } = policed;
    if (answer === null && guards === null && restore === null) return null;
    return new Passage(policed, api, request, parts);
  }

  /** Every event that came out as it is recorded; null where it is as it was generated. */
  get shown(): EventStore | null {
    return (this.#gate ?? this.#filter)?.shown ?? null;
  }

  /** A stream of events begins. */
  begin(): void {
    if (this.#filter !== null) this.#noteChecks();
  }

  /** An answer that comes as one body. */
  async whole(made: Uint8Array): Promise<PassedBody> {
    const filtered = this.#filteredBody(made);
    const shown = await this.#gate?.whole(filtered) ?? filtered;
    if (this.#gate?.isOver) this.isOver = true;
    const { restore } = this.policed;
    const sent = restore === null
      ? shown
      : filteredBody(restore, this.api, shown, new PolicyTrail()).body;
    return { shown, sent };
  }

  /** Whole events in, those that may be shown out; the rest waits. With guards a promise: nothing more may come. */
  take(events: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const filtered = this.#filter === null ? events : this.#filter.take(events);
    return this.#gate === null ? this.#passed(filtered) : this.#guarded(this.#gate, filtered);
  }

  async #guarded(gate: AnswerGate, events: Uint8Array): Promise<Uint8Array> {
    return this.#passed(await gate.take(events));
  }

  #passed(events: Uint8Array): Uint8Array {
    if (this.#filter?.isOver || this.#gate?.isOver) this.isOver = true;
    return this.#restore === null ? events : this.#restore.take(events);
  }

  /** What was held back, since nothing will come that could make it more. */
  async flush(): Promise<Uint8Array> {
    const filtered = this.#filter === null ? NOTHING : this.#filter.flush();
    const passed = this.#gate === null
      ? filtered
      : joined([await this.#gate.take(filtered), await this.#gate.flush()]);
    return this.#restore === null
      ? passed
      : joined([this.#restore.take(passed), this.#restore.flush()]);
  }

  #filteredBody(body: Uint8Array): Uint8Array {
    const { plan: { answer: rules }, trail } = this.policed;
    if (rules === null) return body;
    this.#noteChecks();
    const filtered = filteredBody(rules, this.api, body, trail);
    this.isOver = filtered.isOver;
    return filtered.body;
  }

  /** Policies on texts of answers look at them together: no time is one policy's alone. */
  #noteChecks(): void {
    const { plan, trail } = this.policed;
    for (const name of plan.answer!.names) trail.checked(name, "answer", null);
  }
}

function nowhere(): EventStore | null {
  return null;
}

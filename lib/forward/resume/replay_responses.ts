// A second run of the Responses API: what the client has must come again and is left out; ids, times and
// the count of events are those of the first run.

import { isObject, type Json, objectsIn, textOf } from "../../json/json.ts";
import { eventsIn } from "../../api/wire.ts";
import { Expected } from "./expected.ts";
import type { Mended, Mender } from "./mender.ts";

/** Fields by which two runs of the same request differ. */
const RUN_FIELDS = ["id", "created_at", "completed_at"];

/** What of an event says which of its kind it is. */
const PLACE_FIELDS = ["output_index", "content_index", "summary_index", "annotation_index"];

export class ResponsesReplay implements Mender {
  /** Texts that came in pieces, by the events' type and place. */
  readonly #texts = new Map<string, Expected>();
  /** Other events that the client has, by type and place, and how many of each. */
  readonly #marks = new Map<string, number>();
  /** Items of the first run by output_index, as they were announced. */
  readonly #items = new Map<unknown, Json>();
  #response: Json = {};
  #next = 0;

  /** `sent` are the events that the client has, in their order. */
  constructor(sent: Iterable<Uint8Array>) {
    const texts = new Map<string, string>();
    for (const { data, name } of eventsIn(sent)) {
      const type = textOf(data.type) || (name ?? "");
      if (typeof data.sequence_number === "number") this.#next = data.sequence_number + 1;
      if (isObject(data.response)) this.#response = data.response;
      if (isObject(data.item) && !this.#items.has(data.output_index)) {
        this.#items.set(data.output_index, data.item);
      }
      const key = keyOf(type, data);
      if (isDelta(type)) texts.set(key, (texts.get(key) ?? "") + textOf(data.delta));
      else this.#marks.set(key, (this.#marks.get(key) ?? 0) + 1);
    }
    for (const [key, text] of texts) this.#texts.set(key, new Expected(text));
  }

  get caughtUp(): boolean {
    if (this.#marks.size > 0) return false;
    for (const text of this.#texts.values()) if (text.left > 0) return false;
    return true;
  }

  event(data: string, name: string | undefined): Mended {
    if (data === "[DONE]") return this.caughtUp ? "data: [DONE]\n\n" : "disagrees";
    const event: Json = JSON.parse(data);
    const type = textOf(event.type) || (name ?? "");
    const key = keyOf(type, event);
    return isDelta(type) ? this.#delta(event, type, key) : this.#mark(event, type, key);
  }

  #delta(event: Json, type: string, key: string): Mended {
    const text = this.#texts.get(key);
    if (text === undefined || text.left === 0) {
      return this.caughtUp ? this.#pass(event, type) : "disagrees";
    }
    const fresh = text.meet(textOf(event.delta));
    if (fresh === null) return "disagrees";
    if (fresh === "") return null;
    if (!this.caughtUp) return "disagrees";
    // The probabilities of an event that was sent in part cannot be told apart.
    const logprobs = Array.isArray(event.logprobs) ? { logprobs: [] } : {};
    return this.#pass({ ...event, delta: fresh, ...logprobs }, type);
  }

  #mark(event: Json, type: string, key: string): Mended {
    const count = this.#marks.get(key) ?? 0;
    if (count === 0) return this.caughtUp ? this.#pass(event, type) : "disagrees";
    if (!this.#agrees(event)) return "disagrees";
    if (count === 1) this.#marks.delete(key);
    else this.#marks.set(key, count - 1);
    return null;
  }

  /** Whether an item is of the kind that the client was told of. */
  #agrees({ item, output_index }: Json): boolean {
    if (!isObject(item)) return true;
    const first = this.#items.get(output_index);
    return first === undefined || (first.type === item.type && first.name === item.name);
  }

  /** An event as the first run would have sent it. */
  #pass(event: Json, type: string): string {
    const passed: Json = { ...event };
    if (typeof event.sequence_number === "number") passed.sequence_number = this.#next++;
    const known = this.#items.get(event.output_index);
    if (typeof event.item_id === "string" && known !== undefined) passed.item_id = known.id;
    if (isObject(event.item)) {
      if (known === undefined) this.#items.set(event.output_index, event.item);
      else passed.item = named(event.item, known);
    }
    if (isObject(event.response)) passed.response = this.#adopted(event.response);
    return `event: ${type}\ndata: ${JSON.stringify(passed)}\n\n`;
  }

  #adopted(response: Json): Json {
    const adopted: Json = { ...response };
    for (const field of RUN_FIELDS) {
      if (this.#response[field] !== undefined && this.#response[field] !== null) {
        adopted[field] = this.#response[field];
      }
    }
    if (Array.isArray(response.output)) {
      adopted.output = objectsIn(response.output).map((item, index) =>
        named(item, this.#items.get(index) ?? {})
      );
    }
    return adopted;
  }
}

/** `item` with the ids under which the client knows it. */
function named(item: Json, { id, call_id }: Json): Json {
  const result: Json = { ...item };
  if (id !== undefined) result.id = id;
  if (call_id !== undefined && item.call_id !== undefined) result.call_id = call_id;
  return result;
}

function isDelta(type: string): boolean {
  return type.endsWith(".delta");
}

function keyOf(type: string, event: Json): string {
  return [type, ...PLACE_FIELDS.map((field) => event[field] ?? "")].join(" ");
}

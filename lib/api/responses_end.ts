// Ends a streamed response in its middle: what is open is closed with the text that it has, and the last
// event holds the whole response, since clients live on it. What was sent of it is gathered here, for those
// as well who go on with it.

import { isObject, type Json, textOf } from "../json/json.ts";
import type { End, StreamEvent, ToldUsage } from "./dialect.ts";
import { namedEvents } from "./wire.ts";

/** An item of the answer as far as it was sent. */
export interface Item {
  item: Json;
  /** Content parts by content_index; `said` once the whole text was told. */
  parts: Map<number, { part: Json; text: string; said: boolean; done: boolean }>;
  arguments: string;
  /** The arguments were told as a whole. */
  argued: boolean;
  done: boolean;
}

/** What was sent of a response. */
export interface Sent {
  response: Json;
  /** By output_index. */
  items: Map<number, Item>;
  /** The number of the next event. */
  sequence: number;
}

/** The events that close what is open and end the response for `reason`. */
export function endEvents({ reason, usage }: End, sent: Iterable<StreamEvent>): Uint8Array {
  const { response, items, sequence } = gathered(sent);
  const status = reason === "length" || reason === "content_filter" ? "incomplete" : "completed";
  const events: Json[] = [];
  const output: Json[] = [];
  for (const [index, item] of [...items].sort(([a], [b]) => a - b)) {
    if (!item.done) events.push(...closing(item, index, status));
    output.push(item.item);
  }
  const incomplete = reason === "length" ? "max_output_tokens" : "content_filter";
  events.push({
    type: `response.${status}`,
    response: {
      ...response,
      status,
      incomplete_details: status === "incomplete" ? { reason: incomplete } : null,
      output,
      usage: usage === null ? response.usage ?? null : usageObject(usage),
    },
  });
  return namedEvents(events.map(({ type, ...rest }, at) => (
    { type, sequence_number: sequence + at, ...rest }
  )));
}

export function gathered(events: Iterable<StreamEvent>): Sent {
  const sent: Sent = { response: {}, items: new Map(), sequence: 0 };
  for (const { data, name } of events) note(sent, data, name);
  return sent;
}

/** Takes note of one more event. */
export function note(sent: Sent, data: Json, name: string | undefined): void {
  if (typeof data.sequence_number === "number") sent.sequence = data.sequence_number + 1;
  if (isObject(data.response)) sent.response = data.response;
  if (typeof data.output_index !== "number") return;
  const item = sent.items.get(data.output_index) ??
    { item: {}, parts: new Map(), arguments: "", argued: false, done: false };
  sent.items.set(data.output_index, item);
  noteItem(item, textOf(data.type) || (name ?? ""), data);
}

function noteItem(item: Item, type: string, data: Json): void {
  if (isObject(data.item)) item.item = data.item;
  if (type === "response.output_item.done") item.done = true;
  if (type.endsWith("_arguments.delta") || type.endsWith("_input.delta")) {
    item.arguments += textOf(data.delta);
    return;
  }
  if (type.endsWith("_arguments.done") || type.endsWith("_input.done")) item.argued = true;
  if (typeof data.content_index !== "number") return;
  let open = item.parts.get(data.content_index);
  if (open === undefined) {
    const kind = type.startsWith("response.reasoning") ? "reasoning_text" : "output_text";
    open = { part: { type: kind }, text: "", said: false, done: false };
    item.parts.set(data.content_index, open);
  }
  if (isObject(data.part)) open.part = data.part;
  if (type.endsWith(".delta")) open.text += textOf(data.delta);
  if (type === "response.content_part.done") open.done = true;
  else if (type.endsWith(".done")) open.said = true;
}

/** vLLM opens a part with an empty list of probabilities and closes it with none. */
function withoutEmpty({ logprobs }: Json): Json {
  return Array.isArray(logprobs) && logprobs.length === 0 ? { logprobs: null } : {};
}

/** The events that close one item; leaves in it what the last event repeats. */
export function closing(open: Item, output_index: number, status: string): Json[] {
  const where = { item_id: open.item.id ?? "", output_index };
  const events: Json[] = [];
  const content: Json[] = [];
  for (
    const [content_index, { part, text, said, done }] of [...open.parts].sort(([a], [b]) => a - b)
  ) {
    const field = part.type === "refusal" ? "refusal" : "text";
    const whole = done ? part : { ...part, ...withoutEmpty(part), [field]: text };
    content.push(whole);
    if (done) continue;
    const more = part.type === "output_text" ? { logprobs: [] } : {};
    if (!said) {
      events.push({
        type: `response.${part.type}.done`,
        ...where,
        content_index,
        [field]: text,
        ...more,
      });
    }
    events.push({ type: "response.content_part.done", ...where, content_index, part: whole });
  }
  const { type } = open.item;
  if (type === "function_call" || type === "custom_tool_call") {
    const field = type === "function_call" ? "arguments" : "input";
    const event = type === "function_call" ? "function_call_arguments" : "custom_tool_call_input";
    const name = type === "function_call" ? { name: open.item.name } : {};
    if (!open.argued) {
      events.push({ type: `response.${event}.done`, ...where, [field]: open.arguments, ...name });
    }
    open.item = { ...open.item, [field]: open.arguments, status };
  } else open.item = { ...open.item, content, status };
  events.push({ type: "response.output_item.done", output_index, item: open.item });
  return events;
}

export function usageObject({ promptTokens, completionTokens, cachedTokens }: ToldUsage): Json {
  const [input_tokens, output_tokens] = [promptTokens ?? 0, completionTokens ?? 0];
  return {
    input_tokens,
    input_tokens_details: { cached_tokens: cachedTokens ?? 0 },
    output_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input_tokens + output_tokens,
  };
}

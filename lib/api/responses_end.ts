// Ends a streamed response in its middle: what is open is closed with the text that it has, and the last
// event holds the whole response, since clients live on it.

import { isObject, type Json, textOf } from "../sse/assemble/answer.ts";
import type { End, StreamEvent, Usage } from "./dialect.ts";
import { namedEvents } from "./wire.ts";

/** An item of the answer as far as it was sent. */
interface Item {
  item: Json;
  /** Open content parts by content_index. */
  parts: Map<number, { part: Json; text: string; done: boolean }>;
  arguments: string;
  done: boolean;
}

/** What was sent of a response. */
interface Sent {
  response: Json;
  items: Map<number, Item>;
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

function gathered(events: Iterable<StreamEvent>): Sent {
  const sent: Sent = { response: {}, items: new Map(), sequence: 0 };
  for (const { data, name } of events) {
    if (typeof data.sequence_number === "number") sent.sequence = data.sequence_number + 1;
    if (isObject(data.response)) sent.response = data.response;
    if (typeof data.output_index !== "number") continue;
    const item = sent.items.get(data.output_index) ??
      { item: {}, parts: new Map(), arguments: "", done: false };
    sent.items.set(data.output_index, item);
    note(item, textOf(data.type) || (name ?? ""), data);
  }
  return sent;
}

function note(item: Item, type: string, data: Json): void {
  if (isObject(data.item)) item.item = data.item;
  if (type === "response.output_item.done") item.done = true;
  if (type.endsWith("_arguments.delta") || type.endsWith("_input.delta")) {
    item.arguments += textOf(data.delta);
    return;
  }
  if (typeof data.content_index !== "number") return;
  let open = item.parts.get(data.content_index);
  if (open === undefined) {
    const kind = type.startsWith("response.reasoning") ? "reasoning_text" : "output_text";
    open = { part: { type: kind }, text: "", done: false };
    item.parts.set(data.content_index, open);
  }
  if (isObject(data.part)) open.part = data.part;
  if (type.endsWith(".delta")) open.text += textOf(data.delta);
  if (type === "response.content_part.done") open.done = true;
}

/** Closes one item; leaves in it what the last event repeats. */
function closing(open: Item, output_index: number, status: string): Json[] {
  const where = { item_id: open.item.id ?? "", output_index };
  const events: Json[] = [];
  const content: Json[] = [];
  for (const [content_index, { part, text, done }] of [...open.parts].sort(([a], [b]) => a - b)) {
    const field = part.type === "refusal" ? "refusal" : "text";
    const whole = done ? part : { ...part, [field]: text };
    content.push(whole);
    if (done) continue;
    const more = part.type === "output_text" ? { logprobs: [] } : {};
    events.push(
      { type: `response.${part.type}.done`, ...where, content_index, [field]: text, ...more },
      { type: "response.content_part.done", ...where, content_index, part: whole },
    );
  }
  const { type } = open.item;
  if (type === "function_call" || type === "custom_tool_call") {
    const field = type === "function_call" ? "arguments" : "input";
    const event = type === "function_call" ? "function_call_arguments" : "custom_tool_call_input";
    events.push({ type: `response.${event}.done`, ...where, [field]: open.arguments });
    open.item = { ...open.item, [field]: open.arguments, status };
  } else open.item = { ...open.item, content, status };
  events.push({ type: "response.output_item.done", output_index, item: open.item });
  return events;
}

function usageObject({ promptTokens, completionTokens, cachedTokens }: Usage): Json {
  const [input_tokens, output_tokens] = [promptTokens ?? 0, completionTokens ?? 0];
  return {
    input_tokens,
    input_tokens_details: { cached_tokens: cachedTokens ?? 0 },
    output_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input_tokens + output_tokens,
  };
}

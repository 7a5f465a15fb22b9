// The Responses API: its events or a whole response to an answer. The last event repeats the whole
// response and is believed; the deltas count only where it never came.

import {
  type Answer,
  type AnswerMessage,
  type Assembler,
  errorIn,
  isRealEnd,
  type ToolCall,
} from "./answer.ts";
import { isObject, type Json, objectsIn, textOf } from "../../json/json.ts";

const END_EVENTS = new Set([
  "response.completed",
  "response.incomplete",
  "response.failed",
  "response.cancelled",
]);

export class ResponsesAssembler implements Assembler {
  /** The response object, as the newest event that carried one had it. */
  #response: Json | null = null;
  #ended = false;
  /** Items by output_index, as they stand so far. */
  readonly #items = new Map<number, OpenItem>();
  #error: string | undefined;

  event(data: Json, name: string | undefined): void {
    const type = textOf(data.type) || (name ?? "");
    if (type === "error" || errorIn(data) !== undefined) {
      this.#error ??= errorIn(data) ?? (textOf(data.message) || JSON.stringify(data));
      return;
    }
    if (isObject(data.response)) this.#response = data.response;
    if (END_EVENTS.has(type)) this.#ended = true;
    const index = typeof data.output_index === "number" ? data.output_index : null;
    if (index === null) return;
    const item = this.#items.get(index) ?? new OpenItem();
    this.#items.set(index, item);
    if (isObject(data.item)) item.whole = data.item;
    if (type.endsWith(".delta")) item.add(type, textOf(data.delta));
    if (type === "response.output_item.done") item.done = true;
  }

  body(data: Json): void {
    const error = errorIn(data);
    if (error !== undefined && !Array.isArray(data.output)) {
      this.#error = error;
      return;
    }
    this.#response = data;
    this.#ended = true;
  }

  answer(): Answer {
    const response = this.#response ?? {};
    const error = this.#error ?? (isObject(response.error) ? errorIn(response) : undefined);
    const told = objectsIn(response.output);
    const items = this.#ended && (told.length > 0 || this.#items.size === 0)
      ? told
      : [...this.#items].sort(([a], [b]) => a - b).map(([, item]) => item.close());
    const message = messageOf(items);
    const finishReason = this.#ended ? finishOf(response, message) : null;
    const choices = items.length > 0 || this.#ended ? [{ index: 0, message, finishReason }] : [];
    return {
      choices,
      usage: isObject(response.usage) ? response.usage : null,
      id: textOf(response.id),
      model: textOf(response.model),
      created: typeof response.created_at === "number" ? response.created_at : null,
      error,
      malformed: 0,
      complete: error === undefined && choices.length > 0 && isRealEnd(finishReason),
      pending: error === undefined && this.#ended && isPending(response),
    };
  }
}

/** An output item while its deltas come. */
class OpenItem {
  /** The item in full: empty when it is announced, whole when it is done. */
  whole: Json = {};
  done = false;
  readonly #text: string[] = [];
  readonly #reasoning: string[] = [];
  readonly #summary: string[] = [];
  readonly #arguments: string[] = [];

  add(type: string, delta: string): void {
    if (type === "response.output_text.delta" || type === "response.refusal.delta") {
      this.#text.push(delta);
    } else if (type === "response.reasoning_text.delta" || type === "response.reasoning.delta") {
      this.#reasoning.push(delta);
    } else if (type === "response.reasoning_summary_text.delta") {
      this.#summary.push(delta);
    } else if (type === "response.function_call_arguments.delta") {
      this.#arguments.push(delta);
    }
  }

  close(): Json {
    if (this.done) return this.whole;
    const reasoning = this.#reasoning.length > 0 ? this.#reasoning : this.#summary;
    if (reasoning.length > 0) {
      const content = [{ type: "reasoning_text", text: reasoning.join("") }];
      return { ...this.whole, type: "reasoning", content };
    }
    if (this.#arguments.length > 0 || this.whole.type === "function_call") {
      return { ...this.whole, type: "function_call", arguments: this.#arguments.join("") };
    }
    if (this.#text.length > 0) {
      const content = [{ type: "output_text", text: this.#text.join("") }];
      return { ...this.whole, type: "message", content };
    }
    return this.whole;
  }
}

/** The items of one response as one message; kinds without a place in it are kept as `output_items`. */
export function messageOf(items: readonly Json[]): AnswerMessage {
  const content: string[] = [];
  const reasoning: string[] = [];
  const calls: ToolCall[] = [];
  const others: Json[] = [];
  for (const item of items) {
    if (item.type === "message") content.push(partsText(item.content));
    else if (item.type === "reasoning") {
      reasoning.push(partsText(item.content) || partsText(item.summary));
    } else if (item.type === "function_call") calls.push(callOf(item));
    else others.push(item);
  }
  const text = content.join("\n");
  const message: AnswerMessage = {
    role: "assistant",
    content: text === "" && calls.length > 0 ? null : text,
  };
  const thought = reasoning.filter((part) => part !== "").join("\n");
  if (thought !== "") message.reasoning = thought;
  if (calls.length > 0) message.tool_calls = calls;
  if (others.length > 0) message.output_items = others;
  return message;
}

function callOf(item: Json): ToolCall {
  const id = textOf(item.call_id) || textOf(item.id);
  const given = typeof item.arguments === "string"
    ? item.arguments
    : JSON.stringify(item.arguments ?? {});
  return { id, type: "function", function: { name: textOf(item.name), arguments: given } };
}

function partsText(parts: unknown): string {
  if (typeof parts === "string") return parts;
  return objectsIn(parts).map((part) => textOf(part.text) || textOf(part.refusal)).join("");
}

function isPending({ status }: Json): boolean {
  return status === "queued" || status === "in_progress";
}

/** The words of chat completions for how a response ended. */
function finishOf(response: Json, message: AnswerMessage): string {
  const { status } = response;
  if (status === "failed") return "error";
  if (status === "cancelled") return "abort";
  if (status === "incomplete") {
    const details = isObject(response.incomplete_details) ? response.incomplete_details : {};
    const reason = textOf(details.reason);
    return reason === "max_output_tokens" || reason === "" ? "length" : reason;
  }
  // A background response that has not been answered yet, or a status of a later day.
  if (status !== undefined && status !== "completed") return "abort";
  return message.tool_calls === undefined ? "stop" : "tool_calls";
}

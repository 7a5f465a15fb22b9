// Anthropic's Messages API: its events or a whole message to an answer.

import {
  type Answer,
  type AnswerMessage,
  type Assembler,
  errorIn,
  isRealEnd,
  reasonOf,
  type ToolCall,
} from "./answer.ts";
import { isObject, type Json, objectsIn, textOf } from "../../json/json.ts";

interface OpenBlock {
  block: Json;
  text: string[];
  input: string[];
  /** Nothing more comes of it. */
  stopped: boolean;
}

/** Anthropic's words for an end, in those of chat completions; others stay as they are. */
const FINISH: ReadonlyMap<string, string> = new Map([
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["max_tokens", "length"],
  ["model_context_window_exceeded", "length"],
  ["tool_use", "tool_calls"],
]);

export class MessagesAssembler implements Assembler {
  readonly #blocks = new Map<number, OpenBlock>();
  #usage: Json | null = null;
  #id = "";
  #model = "";
  #stopReason: string | null = null;
  #error: string | undefined;

  event(data: Json, name: string | undefined): void {
    const type = textOf(data.type) || (name ?? "");
    const error = errorIn(data);
    if (type === "error" || error !== undefined) {
      this.#error ??= error ?? JSON.stringify(data);
      return;
    }
    if (type === "message_start" && isObject(data.message)) this.#head(data.message);
    if (type === "message_delta") {
      if (isObject(data.delta)) this.#ended(data.delta);
      this.#count(data.usage);
    }
    const index = typeof data.index === "number" ? data.index : 0;
    if (type === "content_block_start" && isObject(data.content_block)) {
      this.#open(index, data.content_block);
    }
    if (type === "content_block_delta" && isObject(data.delta)) this.#add(index, data.delta);
    const open = this.#blocks.get(index);
    if (type === "content_block_stop" && open !== undefined) open.stopped = true;
  }

  body(data: Json): void {
    const error = errorIn(data);
    if (error !== undefined) {
      this.#error = error;
      return;
    }
    this.#head(data);
    objectsIn(data.content).forEach((block, index) => this.#open(index, block, true));
  }

  answer(): Answer {
    const blocks = [...this.#blocks].sort(([a], [b]) => a - b)
      .map(([, block]) => close(block, this.#stopReason !== null));
    const finishReason = this.#stopReason === null
      ? null
      : FINISH.get(this.#stopReason) ?? this.#stopReason;
    const choices = blocks.length > 0 || finishReason !== null
      ? [{ index: 0, message: messageOf(blocks), finishReason }]
      : [];
    return {
      choices,
      usage: this.#usage,
      id: this.#id,
      model: this.#model,
      created: null,
      error: this.#error,
      malformed: 0,
      complete: this.#error === undefined && isRealEnd(finishReason),
    };
  }

  #head(message: Json): void {
    this.#id ||= textOf(message.id);
    this.#model ||= textOf(message.model);
    this.#count(message.usage);
    this.#ended(message);
  }

  #ended(fields: Json): void {
    this.#stopReason = reasonOf(fields.stop_reason) ?? this.#stopReason;
  }

  /** The first figures count the prompt, the last the answer. */
  #count(usage: unknown): void {
    if (isObject(usage)) this.#usage = { ...this.#usage, ...usage };
  }

  #open(index: number, block: Json, stopped = false): void {
    const text = textOf(block.text) || textOf(block.thinking);
    this.#blocks.set(index, { block, text: [text], input: [], stopped });
  }

  #add(index: number, delta: Json): void {
    let open = this.#blocks.get(index);
    if (open === undefined) {
      const type = "thinking" in delta ? "thinking" : "partial_json" in delta ? "tool_use" : "text";
      open = { block: { type }, text: [], input: [], stopped: false };
      this.#blocks.set(index, open);
    }
    open.text.push(textOf(delta.text) || textOf(delta.thinking));
    open.input.push(textOf(delta.partial_json));
    if (typeof delta.signature === "string") {
      open.block = { ...open.block, signature: delta.signature };
    }
  }
}

function close({ block, text, input, stopped }: OpenBlock, isOver: boolean): Json {
  const joined = text.join("");
  if (block.type === "text") return { ...block, text: joined };
  if (block.type === "thinking") return { ...block, thinking: joined };
  const json = input.join("");
  // Kept as text: cut short it is no JSON, and the record wants the text anyway.
  if (json !== "") return { ...block, input: json };
  // The empty object of a call that is only announced is not what the model gave.
  const isAnnounced = block.type === "tool_use" && !stopped && !isOver &&
    isObject(block.input) && Object.keys(block.input).length === 0;
  return isAnnounced ? { ...block, input: "" } : block;
}

/** Content blocks as one message; kinds without a place in it are kept as `blocks`. */
export function messageOf(blocks: readonly Json[]): AnswerMessage {
  const content: string[] = [];
  const reasoning: string[] = [];
  const calls: ToolCall[] = [];
  const others: Json[] = [];
  for (const block of blocks) {
    if (block.type === "text") content.push(textOf(block.text));
    else if (block.type === "thinking") reasoning.push(textOf(block.thinking));
    else if (block.type === "tool_use") calls.push(callOf(block));
    else others.push(block);
  }
  const text = content.join("");
  const message: AnswerMessage = {
    role: "assistant",
    content: text === "" && calls.length > 0 ? null : text,
  };
  if (reasoning.length > 0) message.reasoning = reasoning.join("\n");
  if (calls.length > 0) message.tool_calls = calls;
  if (others.length > 0) message.blocks = others;
  return message;
}

function callOf(block: Json): ToolCall {
  const given = typeof block.input === "string" ? block.input : JSON.stringify(block.input ?? {});
  return {
    id: textOf(block.id),
    type: "function",
    function: { name: textOf(block.name), arguments: given },
  };
}

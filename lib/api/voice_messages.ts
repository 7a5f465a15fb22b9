// Goes on speaking Anthropic's Messages API as vLLM does: blocks of thinking, text and tool use, one open at
// a time, then why it ended and what it cost.

import { isJson } from "../json/is_json.ts";
import { isObject, type Json, textOf } from "../json/json.ts";
import type { StreamEvent } from "./dialect.ts";
import type { ToldUsage } from "./usage.ts";
import type { Voice, VoiceEnd } from "./voice.ts";

/** The block that is open. */
interface Block {
  index: number;
  type: string;
  /** A thought has its signature already. */
  signed: boolean;
}

/** Fields of the prompt's figures, which the end repeats. */
const PROMPT_FIGURES = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];

export class MessagesVoice implements Voice {
  #open: Block | null = null;
  #next = 0;
  /** What was opened last; "" while nothing was. */
  #lastType = "";
  /** Arguments of the tool block that opened last; null while there was none. */
  #lastInput: string | null = null;
  #ended = false;
  #promptFigures: Json = {};

  constructor(sent: Iterable<StreamEvent>) {
    for (const { data, name } of sent) this.#note(textOf(data.type) || (name ?? ""), data);
  }

  get isClosed(): boolean {
    return this.#open === null && this.#lastType === "text";
  }

  say(channel: "content" | "reasoning", text: string): string {
    if (text === "") return "";
    const isText = channel === "content";
    const begun = this.#block(
      isText ? { type: "text", text: "" } : { type: "thinking", thinking: "" },
    );
    const delta = isText
      ? { type: "text_delta", text }
      : { type: "thinking_delta", thinking: text };
    return begun + this.#event({ type: "content_block_delta", index: this.#open!.index, delta });
  }

  call(name: string): string {
    const id = `chatcmpl-tool-${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
    return this.#closing() + this.#opening({ type: "tool_use", id, name, input: {} });
  }

  give(text: string): string {
    if (text === "") return "";
    const delta = { type: "input_json_delta", partial_json: text };
    return this.#event({ type: "content_block_delta", index: this.#open!.index, delta });
  }

  end(end: VoiceEnd): string {
    const closed = this.#closing();
    const usage = { ...this.#figures(end.usage), output_tokens: end.usage?.completionTokens ?? 0 };
    const told = this.#ended
      ? ""
      : this.#event({ type: "message_delta", delta: this.#stop(end), usage });
    return closed + told + this.tail();
  }

  tail(): string {
    return this.#event({ type: "message_stop" });
  }

  /** The first stream's figures of the prompt stay. */
  #figures(usage: ToldUsage | null): Json {
    if (this.#promptFigures.input_tokens !== undefined || usage === null) {
      return this.#promptFigures;
    }
    return { input_tokens: usage.promptTokens ?? 0 };
  }

  /** A call that a stop string has cut short is none to be made. */
  #stop({ reason, stopReason }: VoiceEnd): Json {
    if (reason === "length") return { stop_reason: "max_tokens", stop_sequence: null };
    if (this.#lastInput !== null && isJson(this.#lastInput)) {
      return { stop_reason: "tool_use", stop_sequence: null };
    }
    if (typeof stopReason === "string") {
      return { stop_reason: "stop_sequence", stop_sequence: stopReason };
    }
    const stop_reason = this.#lastInput === null ? "end_turn" : "tool_use";
    return { stop_reason, stop_sequence: null };
  }

  /** Sees to it that a block of this kind is open. */
  #block(block: Json): string {
    return this.#open?.type === block.type ? "" : this.#closing() + this.#opening(block);
  }

  #opening(content_block: Json): string {
    return this.#event({ type: "content_block_start", index: this.#next, content_block });
  }

  #closing(): string {
    if (this.#open === null) return "";
    const { index, type, signed } = this.#open;
    const delta = {
      type: "signature_delta",
      signature: crypto.randomUUID().replaceAll("-", ""),
    };
    const signature = type === "thinking" && !signed
      ? this.#event({ type: "content_block_delta", index, delta })
      : "";
    return signature + this.#event({ type: "content_block_stop", index });
  }

  #event(data: Json): string {
    const type = String(data.type);
    this.#note(type, data);
    return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  #note(type: string, data: Json): void {
    switch (type) {
      case "message_start":
        if (isObject(data.message) && isObject(data.message.usage)) {
          for (const name of PROMPT_FIGURES) {
            const figure = data.message.usage[name];
            if (typeof figure === "number") this.#promptFigures[name] = figure;
          }
        }
        return;
      case "content_block_start": {
        const index = typeof data.index === "number" ? data.index : this.#next;
        const block = isObject(data.content_block) ? data.content_block : {};
        const signed = textOf(block.signature) !== "";
        this.#open = { index, type: this.#lastType = textOf(block.type), signed };
        this.#next = index + 1;
        if (block.type === "tool_use") this.#lastInput = "";
        return;
      }
      case "content_block_delta":
        if (this.#open === null || !isObject(data.delta)) return;
        this.#lastInput = this.#open.type === "tool_use"
          ? this.#lastInput + textOf(data.delta.partial_json)
          : this.#lastInput;
        if (data.delta.type === "signature_delta") this.#open.signed = true;
        return;
      case "content_block_stop":
        this.#open = null;
        return;
      case "message_delta":
        this.#ended = true;
    }
  }
}

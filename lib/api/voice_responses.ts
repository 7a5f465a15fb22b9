// Goes on speaking the Responses API as vLLM does: items of reasoning, message and function call, one open at
// a time, each closed with its whole text, and the whole response in the last event.

import type { Json } from "../json/json.ts";
import type { StreamEvent } from "./dialect.ts";
import { closing, gathered, type Item, note, type Sent, usageObject } from "./responses_end.ts";
import type { Voice, VoiceEnd } from "./voice.ts";

export class ResponsesVoice implements Voice {
  readonly #sent: Sent;

  constructor(sent: Iterable<StreamEvent>) {
    this.#sent = gathered(sent);
  }

  get isClosed(): boolean {
    const last = this.#sent.items.get(Math.max(...this.#sent.items.keys()));
    return last !== undefined && last.item.type === "message" && (last.done || isSaid(last));
  }

  say(channel: "content" | "reasoning", text: string): string {
    if (text === "") return "";
    const isText = channel === "content";
    const begun = this.#open(isText ? "message" : "reasoning");
    const more = isText ? { logprobs: [] } : {};
    const type = isText ? "response.output_text.delta" : "response.reasoning_text.delta";
    return begun + this.#event({ type, ...this.#where, content_index: 0, delta: text, ...more });
  }

  call(name: string): string {
    const item = {
      type: "function_call",
      id: `fc_${random()}`,
      call_id: `chatcmpl-tool-${random()}`,
      name,
      arguments: "",
      status: "in_progress",
    };
    return this.#close() + this.#add(item);
  }

  give(text: string): string {
    if (text === "") return "";
    const type = "response.function_call_arguments.delta";
    return this.#event({ type, ...this.#where, delta: text });
  }

  end({ reason, usage }: VoiceEnd): string {
    const closed = this.#close();
    const isCut = reason === "length";
    const { response, items } = this.#sent;
    const output = [...items].sort(([a], [b]) => a - b).map(([, { item }]) => item);
    const whole = {
      ...response,
      incomplete_details: isCut ? { reason: "max_output_tokens" } : null,
      output,
      status: isCut ? "incomplete" : "completed",
      usage: usage === null ? response.usage ?? null : usageObject(usage),
    };
    // vLLM calls the event so for a response that is incomplete as well.
    return closed + this.#event({ type: "response.completed", response: whole });
  }

  /** The reason stands in the last event itself. */
  tail(): string {
    return "";
  }

  /** The item that is open; there is one at most. */
  get #current(): number | null {
    for (const [index, { done }] of this.#sent.items) if (!done) return index;
    return null;
  }

  get #where(): { item_id: unknown; output_index: number } {
    const output_index = this.#current!;
    return { item_id: this.#sent.items.get(output_index)!.item.id ?? "", output_index };
  }

  /** Sees to it that an item of this kind is open, and a part in it that may have more text. */
  #open(type: "message" | "reasoning"): string {
    let events = "";
    const open = this.#current === null ? null : this.#sent.items.get(this.#current)!;
    if (open === null || open.item.type !== type || isSaid(open)) {
      events += this.#close() + this.#add(
        type === "message"
          ? { type, id: `msg_${random()}`, role: "assistant", content: [], status: "in_progress" }
          : { type, id: `rs_${random()}`, summary: [], status: "in_progress" },
      );
    }
    const { parts } = this.#sent.items.get(this.#current!)!;
    if (parts.size > 0) return events;
    const part = type === "message"
      ? { type: "output_text", text: "", annotations: [], logprobs: [] }
      : { type: "reasoning_text", text: "" };
    return events +
      this.#event({ type: "response.content_part.added", ...this.#where, content_index: 0, part });
  }

  #add(item: Json): string {
    const output_index = Math.max(-1, ...this.#sent.items.keys()) + 1;
    return this.#event({ type: "response.output_item.added", output_index, item });
  }

  #close(): string {
    const index = this.#current;
    if (index === null) return "";
    const item = this.#sent.items.get(index)!;
    const events = closing(item, index, "completed").map((event) => this.#event(event));
    return events.join("");
  }

  #event({ type, ...rest }: Json): string {
    const data: Json = { type, sequence_number: this.#sent.sequence, ...rest };
    note(this.#sent, data, undefined);
    return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  }
}

/** Whether its text was told as a whole. */
function isSaid({ parts }: Item): boolean {
  return [...parts.values()].some(({ said, done }) => said || done);
}

function random(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}

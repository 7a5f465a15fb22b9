// A second run of Anthropic's Messages API: named events, the answer in blocks of text, thinking or tool
// input, each of which must come again as far as the client has it.

import { isObject, type Json, textOf } from "../../json/json.ts";
import { eventsIn } from "../../api/wire.ts";
import { Expected } from "./expected.ts";
import type { Mended, Mender } from "./mender.ts";

/** Fields of a delta that carry a block's text. */
const TEXTS = ["text", "thinking", "partial_json"];

/** A block that the client has, whole or in part. */
interface Block {
  type: string;
  /** Of a tool. */
  name: string;
  text: Expected;
  stopped: boolean;
  /** It was closed before its end, and what is left of it goes on in a block of its own. */
  goesOn: boolean;
}

export class MessagesReplay implements Mender {
  readonly #blocks: Block[] = [];
  /** The client has the message's stop reason already. */
  #hasEnd = false;
  /** How many blocks the client has more than the second run. */
  #more = 0;

  /** `sent` are the events that the client has, in their order. */
  constructor(sent: Iterable<Uint8Array>) {
    const texts: string[] = [];
    for (const { data: event } of eventsIn(sent)) {
      const index = Number(event.index);
      const block = this.#blocks[index];
      if (event.type === "content_block_start") {
        const { type, name } = isObject(event.content_block) ? event.content_block : {} as Json;
        texts.push("");
        this.#blocks.push({
          type: textOf(type),
          name: textOf(name),
          text: new Expected(""),
          stopped: false,
          goesOn: false,
        });
      } else if (event.type === "content_block_stop" && block !== undefined) block.stopped = true;
      else if (event.type === "message_delta") this.#hasEnd = true;
      else if (event.type === "content_block_delta" && block !== undefined) {
        const field = textField(event.delta);
        if (field !== null) texts[index] += (event.delta as Json)[field];
      }
    }
    for (const [index, block] of this.#blocks.entries()) block.text = new Expected(texts[index]);
  }

  get caughtUp(): boolean {
    return this.#blocks.every(({ text }) => text.left === 0);
  }

  event(data: string, name: string | undefined): Mended {
    // vLLM ends this API's streams with it as well.
    if (data === "[DONE]") return this.caughtUp ? "data: [DONE]\n\n" : "disagrees";
    const event = JSON.parse(data);
    const pass = (value: Json, type = name): string => {
      const index = typeof value.index === "number" ? { index: value.index + this.#more } : {};
      return `event: ${type}\ndata: ${JSON.stringify({ ...value, ...index })}\n\n`;
    };
    const block = this.#blocks[event.index];
    switch (event.type) {
      case "message_start":
      case "ping":
        return null;
      case "content_block_start": {
        if (block === undefined) return this.caughtUp ? pass(event) : "disagrees";
        const given = isObject(event.content_block) ? event.content_block : {};
        return textOf(given.type) === block.type && textOf(given.name) === block.name
          ? null
          : "disagrees";
      }
      case "content_block_delta": {
        const field = textField(event.delta);
        if (block === undefined || field === null) {
          if (block?.stopped) return null;
          return this.caughtUp ? pass(event) : "disagrees";
        }
        const fresh = block.text.meet(textOf(event.delta[field]));
        if (fresh === null) return "disagrees";
        if (fresh === "") return null;
        const rest = { ...event, delta: { ...event.delta, [field]: fresh } };
        if (!block.stopped || block.goesOn) return pass(rest);
        // vLLM that is told to stop closes the block that it is in.
        const isLast = block === this.#blocks.at(-1) && !this.#hasEnd;
        if (!isLast || field !== "text" || !this.caughtUp) return "disagrees";
        block.goesOn = true;
        this.#more = 1;
        const { index } = event;
        const opened = {
          type: "content_block_start",
          index,
          content_block: { type: "text", text: "" },
        };
        return pass(opened, opened.type) + pass(rest);
      }
      case "content_block_stop":
        if (block?.stopped && !block.goesOn) return block.text.left === 0 ? null : "disagrees";
        return this.caughtUp ? pass(event) : "disagrees";
      case "message_delta":
        if (!this.caughtUp) return "disagrees";
        return this.#hasEnd ? null : pass(event);
      default:
        return this.caughtUp ? pass(event) : "disagrees";
    }
  }
}

function textField(delta: unknown): string | null {
  return isObject(delta) ? TEXTS.find((field) => typeof delta[field] === "string") ?? null : null;
}

// Chat completions: chunks or a whole body to an answer.

import {
  type Answer,
  type AnswerChoice,
  type AnswerMessage,
  type Assembler,
  reasonOf,
} from "./answer.ts";
import { isObject, type Json, objectsIn, textOf } from "../../json/json.ts";
import { ChunkHead } from "./chunk_head.ts";
import { mergeField } from "./fields.ts";
import { ToolCalls } from "./tool_calls.ts";

/** Fields of a message with a place of their own; the others are kept as they come. */
const KNOWN = new Set(["role", "content", "reasoning", "reasoning_content", "tool_calls"]);

interface OpenChoice {
  role: string;
  content: string[];
  reasoning: string[];
  calls: ToolCalls;
  rest: Json;
  finishReason: string | null;
}

export class ChatAssembler implements Assembler {
  readonly #choices = new Map<number, OpenChoice>();
  readonly #head = new ChunkHead();

  event(data: Json): void {
    if (!this.#head.take(data)) return;
    for (const choice of objectsIn(data.choices)) {
      const open = this.#choice(choice.index);
      // Some servers stream whole messages, or give a body's message where a delta belongs.
      const delta = isObject(choice.delta) ? choice.delta : choice.message;
      if (isObject(delta)) add(open, delta);
      open.finishReason = reasonOf(choice.finish_reason) ?? open.finishReason;
    }
  }

  readonly textPath = ["delta", "content"];

  text(choice: number, text: string): void {
    if (text !== "") this.#choice(choice).content.push(text);
  }

  body(data: Json): void {
    this.event(data);
  }

  answer(): Answer {
    const indexes = [...this.#choices.keys()].sort((a, b) => a - b);
    const choices = indexes.map((index) => closed(index, this.#choices.get(index)!));
    return this.#head.answer(choices);
  }

  #choice(given: unknown): OpenChoice {
    const index = typeof given === "number" ? given : 0;
    let open = this.#choices.get(index);
    if (open === undefined) {
      open = {
        role: "",
        content: [],
        reasoning: [],
        calls: new ToolCalls(),
        rest: {},
        finishReason: null,
      };
      this.#choices.set(index, open);
    }
    return open;
  }
}

function add(open: OpenChoice, delta: Json): void {
  open.role ||= textOf(delta.role);
  const content = contentText(delta.content);
  if (content !== "") open.content.push(content);
  // vLLM 0.11 sent the same text under both names; it is one reasoning.
  const reasoning = textOf(delta.reasoning) || textOf(delta.reasoning_content);
  if (reasoning !== "") open.reasoning.push(reasoning);
  for (const call of objectsIn(delta.tool_calls)) open.calls.add(call);
  for (const [name, value] of Object.entries(delta)) {
    if (!KNOWN.has(name)) mergeField(open.rest, name, value);
  }
}

/** Text, or the text of content parts, which some servers answer with. */
function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  return objectsIn(content).map((part) => textOf(part.text)).join("");
}

function closed(index: number, open: OpenChoice): AnswerChoice {
  const calls = open.calls.list();
  const content = open.content.join("");
  const message: AnswerMessage = {
    role: open.role || "assistant",
    content: content === "" && calls.length > 0 ? null : content,
  };
  if (open.reasoning.length > 0) message.reasoning = open.reasoning.join("");
  if (calls.length > 0) message.tool_calls = calls;
  return { index, message: { ...open.rest, ...message }, finishReason: open.finishReason };
}

// Goes on speaking chat and text completions: chunks with the first chunk's names and time.

import { isObject, type Json, objectsIn, textOf } from "../json/json.ts";
import type { StreamEvent } from "./dialect.ts";
import type { ToldUsage } from "./usage.ts";
import type { More, Voice, VoiceEnd } from "./voice.ts";

const DONE = "data: [DONE]\n\n";

/** What of the first stream's chunks those that follow repeat. */
interface Names {
  id: string;
  object: string;
  created: unknown;
  model: string;
  /** The field that carries reasoning. */
  reasoning: string;
  /** Whether choices have `token_ids`, be it null. */
  hasIds: boolean;
  hasStopReason: boolean;
  role: boolean;
  calls: number;
}

function namesOf(object: string, sent: Iterable<StreamEvent>): Names {
  const names: Names = {
    id: "",
    object,
    created: Math.floor(Date.now() / 1000),
    model: "",
    reasoning: "reasoning",
    hasIds: false,
    hasStopReason: false,
    role: false,
    calls: 0,
  };
  for (const { data } of sent) {
    if (names.id === "") {
      names.id = textOf(data.id);
      names.model = textOf(data.model);
      names.created = data.created ?? names.created;
    }
    for (const choice of objectsIn(data.choices)) {
      names.hasIds ||= "token_ids" in choice;
      names.hasStopReason ||= "stop_reason" in choice;
      const delta = isObject(choice.delta) ? choice.delta : {};
      names.role ||= textOf(delta.role) !== "";
      if (textOf(delta.reasoning_content) !== "" && textOf(delta.reasoning) === "") {
        names.reasoning = "reasoning_content";
      }
      for (const call of objectsIn(delta.tool_calls)) {
        names.calls = Math.max(names.calls, Number(call.index ?? 0) + 1);
      }
    }
  }
  return names;
}

abstract class ChunkVoice implements Voice {
  /** The end of a text is told with the reason for it. */
  readonly isClosed = false;
  protected readonly names: Names;

  constructor(object: string, sent: Iterable<StreamEvent>) {
    this.names = namesOf(object, sent);
  }

  abstract say(channel: "content" | "reasoning", text: string, more?: More): string;
  abstract call(name: string, more?: More): string;
  abstract give(text: string, more?: More): string;
  /** What a choice without words holds. */
  protected abstract readonly empty: Json;

  end({ reason, stopReason, usage, tellsUsage }: VoiceEnd, more: More = {}): string {
    const end = { finish_reason: this.finishOf(reason), stop_reason: stopReason };
    const last = this.chunk(this.empty, more, end);
    return last + this.tail({ usage, tellsUsage });
  }

  tail({ usage, tellsUsage }: Pick<VoiceEnd, "usage" | "tellsUsage">): string {
    if (!tellsUsage || usage === null) return DONE;
    const { id, object, created, model } = this.names;
    const told = { id, object, created, model, choices: [], usage: usageFields(usage) };
    return `data: ${JSON.stringify(told)}\n\n${DONE}`;
  }

  /** The finish reason in this API, of one in the words of text completions. */
  protected finishOf(reason: string): string {
    return reason;
  }

  protected chunk(said: Json, more: More, end: Json = { finish_reason: null }): string {
    const { id, object, created, model, hasIds, hasStopReason } = this.names;
    const choice: Json = { index: 0, ...said, logprobs: null, finish_reason: end.finish_reason };
    if (hasStopReason || end.finish_reason !== null) choice.stop_reason = end.stop_reason ?? null;
    if (hasIds || more.tokenIds !== undefined) choice.token_ids = more.tokenIds ?? null;
    const chunk: Json = { id, object, created, model, choices: [choice] };
    if (more.usage) chunk.usage = usageFields(more.usage);
    return `data: ${JSON.stringify(chunk)}\n\n`;
  }
}

export class ChatVoice extends ChunkVoice {
  protected readonly empty: Json = { delta: {} };
  #calls: number;

  constructor(sent: Iterable<StreamEvent>) {
    super("chat.completion.chunk", sent);
    this.#calls = this.names.calls;
  }

  say(channel: "content" | "reasoning", text: string, more: More = {}): string {
    const field = channel === "content" ? "content" : this.names.reasoning;
    return this.#delta({ [field]: text }, more);
  }

  call(name: string, more: More = {}): string {
    const index = this.#calls++;
    const id = `chatcmpl-tool-${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
    const opened = { id, type: "function", index, function: { name, arguments: "" } };
    return this.#delta({ tool_calls: [opened] }, more);
  }

  give(text: string, more: More = {}): string {
    const call = { index: this.#calls - 1, function: { arguments: text } };
    return this.#delta({ tool_calls: [call] }, more);
  }

  /** An answer that ends by itself behind tool calls has ended for their sake. */
  protected override finishOf(reason: string): string {
    return reason === "stop" && this.#calls > 0 ? "tool_calls" : reason;
  }

  #delta(said: Json, more: More): string {
    const delta = this.names.role ? said : { role: "assistant", ...said };
    this.names.role = true;
    return this.chunk({ delta }, more);
  }
}

export class CompletionsVoice extends ChunkVoice {
  protected readonly empty: Json = { text: "" };

  constructor(sent: Iterable<StreamEvent>) {
    super("text_completion", sent);
  }

  say(_channel: "content" | "reasoning", text: string, more: More = {}): string {
    return this.chunk({ text }, more);
  }

  /** Text completions know no tools. */
  call(): string {
    return "";
  }

  give(): string {
    return "";
  }
}

function usageFields({ promptTokens, completionTokens, cachedTokens }: ToldUsage): Json {
  const prompt = promptTokens ?? 0;
  const completion = completionTokens ?? 0;
  const usage: Json = {
    prompt_tokens: prompt,
    total_tokens: prompt + completion,
    completion_tokens: completion,
  };
  if (cachedTokens !== null) usage.prompt_tokens_details = { cached_tokens: cachedTokens };
  return usage;
}

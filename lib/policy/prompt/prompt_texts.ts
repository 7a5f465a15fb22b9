// The texts of a request, of every API: where they stand, who says them, and which of them follow each other
// as one text. What no text filter can read is named as well.

import type { Api } from "../../api/dialects.ts";
import type { PolicyChannel } from "../../config/policy_common.ts";
import { isObject, type Json } from "../../sse/assemble/answer.ts";
import type { JsonPath } from "./json_splice.ts";

export interface PromptText {
  readonly channel: PolicyChannel;
  readonly path: JsonPath;
  readonly text: string;
  /** Texts of one message have the same number. */
  readonly message: number;
  /** The text is JSON: arguments of a call. */
  readonly isJson: boolean;
}

export interface PromptTexts {
  readonly texts: readonly PromptText[];
  /** Fields whose words are not seen: token ids, templates, images. */
  readonly unseen: readonly string[];
}

/** Fields that change what the model reads, out of the sight of filters. */
const HIDING = ["chat_template", "prompt_embeds", "prompt_token_ids"];
/** Fields whose texts all are a part of the prompt. */
const EVERYTHING = ["documents", "suffix", "chat_template_kwargs", "mm_processor_kwargs"];
const TEXT_FIELDS = ["text", "refusal", "thinking", "input_text"];
const MAX_DEPTH = 32;

export function promptTexts(api: Api, body: Json): PromptTexts {
  const reader = new PromptReader();
  for (const name of HIDING) {
    if (body[name] !== undefined && body[name] !== null) reader.unseen.push(name);
  }
  reader.definitions(body.tools, ["tools"]);
  reader.definitions(body.functions, ["functions"]);
  if (api === "completions") reader.prompt(body.prompt);
  if (api === "chat" || api === "messages") {
    reader.content(body.system, ["system"], "system");
    reader.messages(body.messages, ["messages"]);
  }
  if (api === "responses") {
    reader.content(body.instructions, ["instructions"], "system");
    if (typeof body.input === "string") reader.content(body.input, ["input"], "content");
    else reader.messages(body.input, ["input"]);
  }
  for (const name of EVERYTHING) reader.everything(body[name], [name], "content");
  return reader;
}

class PromptReader implements PromptTexts {
  readonly texts: PromptText[] = [];
  readonly unseen: string[] = [];
  #message = 0;

  prompt(prompt: unknown): void {
    const all = Array.isArray(prompt) ? prompt : [prompt];
    all.forEach((one, at) => {
      this.#message++;
      const path = Array.isArray(prompt) ? ["prompt", at] : ["prompt"];
      if (typeof one === "string") this.#add("content", path, one);
      else if (one !== undefined && one !== null && !this.unseen.includes("prompt")) {
        this.unseen.push("prompt");
      }
    });
  }

  messages(messages: unknown, path: JsonPath): void {
    if (!Array.isArray(messages)) return;
    messages.forEach((message: unknown, at) => {
      if (!isObject(message)) return;
      const own = [...path, at];
      const { role, type } = message;
      const channel = role === "system" || role === "developer"
        ? "system"
        : role === "tool" || role === "function"
        ? "tool_results"
        : "content";
      this.content(message.content, [...own, "content"], channel);
      for (const name of ["reasoning", "reasoning_content"]) {
        this.content(message[name], [...own, name], "reasoning");
      }
      this.content(message.refusal, [...own, "refusal"], channel);
      this.content(message.name, [...own, "name"], channel);
      if (type === "function_call_output" || type === "custom_tool_call_output") {
        this.content(message.output, [...own, "output"], "tool_results");
      }
      this.content(message.summary, [...own, "summary"], "reasoning");
      this.#call(message, own);
      if (Array.isArray(message.tool_calls)) {
        message.tool_calls.forEach((call: unknown, index) => {
          if (!isObject(call)) return;
          for (const name of ["function", "custom"]) {
            const given = call[name];
            if (isObject(given)) this.#call(given, [...own, "tool_calls", index, name]);
          }
        });
      }
      if (isObject(message.function_call)) {
        this.#call(message.function_call, [...own, "function_call"]);
      }
    });
  }

  /** A text, or a list of parts. */
  content(content: unknown, path: JsonPath, channel: PolicyChannel): void {
    this.#message++;
    if (typeof content === "string") return this.#add(channel, path, content);
    if (!Array.isArray(content)) return;
    content.forEach((part: unknown, at) => {
      if (typeof part === "string") return this.#add(channel, [...path, at], part);
      if (isObject(part)) this.#part(part, [...path, at], channel);
    });
  }

  definitions(tools: unknown, path: JsonPath): void {
    this.#message++;
    this.everything(tools, path, "tool_definitions");
  }

  /** Every text in a value, names of fields apart. */
  everything(value: unknown, path: JsonPath, channel: PolicyChannel): void {
    if (path.length > MAX_DEPTH) return;
    if (typeof value === "string") this.#add(channel, path, value);
    else if (Array.isArray(value)) {
      value.forEach((one, at) => this.everything(one, [...path, at], channel));
    } else if (isObject(value)) {
      for (const [name, one] of Object.entries(value)) {
        this.everything(one, [...path, name], channel);
      }
    }
  }

  #part(part: Json, path: JsonPath, channel: PolicyChannel): void {
    if (part.type === "tool_result") {
      return this.content(part.content, [...path, "content"], "tool_results");
    }
    for (const name of TEXT_FIELDS) {
      const text = part[name];
      const own = name === "thinking" ? "reasoning" : channel;
      if (typeof text === "string") this.#add(own, [...path, name], text);
    }
    if (part.type === "tool_use" || part.type === "server_tool_use") {
      this.everything(part.input, [...path, "input"], "tool_arguments");
    }
    if (part.type === "document") this.everything(part.source, [...path, "source"], channel);
    const isKnown = TEXT_FIELDS.some((name) => typeof part[name] === "string") ||
      ["tool_use", "server_tool_use", "document"].includes(String(part.type));
    if (!isKnown) this.unseen.push(String(part.type ?? "a part"));
  }

  #call(call: Json, path: JsonPath): void {
    for (const name of ["arguments", "input"]) {
      const text = call[name];
      this.#message++;
      if (typeof text === "string") {
        this.#add("tool_arguments", [...path, name], text, name === "arguments");
      } else this.everything(text, [...path, name], "tool_arguments");
    }
  }

  #add(channel: PolicyChannel, path: JsonPath, text: string, isJson = false): void {
    if (text !== "") this.texts.push({ channel, path, text, message: this.#message, isJson });
  }
}

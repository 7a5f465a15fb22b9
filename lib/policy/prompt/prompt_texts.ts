// The texts of a request, of every API: where they stand, who says them, and which of them follow each other
// as one text. What no text filter can read is named as well.

import type { Api } from "../../api/dialects.ts";
import type { PolicyChannel } from "../../config/policy_common.ts";
import { isObject, type Json } from "../../json/json.ts";
import type { JsonPath } from "./json_splice.ts";

export interface PromptText {
  readonly channel: PolicyChannel;
  /** null for the name of a field, which cannot be written otherwise. */
  readonly path: JsonPath | null;
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
/** Sources of documents that are texts: others are files. */
const READABLE = new Set(["text", "content"]);
/** Parts whose words are all in fields that are read; one without a type has a text or is not known. */
const TEXT_PARTS = new Set([
  "text",
  "input_text",
  "output_text",
  "refusal",
  "thinking",
  "reasoning_text",
  "summary_text",
]);
/** Members of a message, and of an item of /v1/responses, that are read by themselves or hold no words. */
const KNOWN_MEMBERS = new Set([
  "role",
  "type",
  "id",
  "status",
  "tool_call_id",
  "call_id",
  "encrypted_content",
  "content",
  "reasoning",
  "reasoning_content",
  "refusal",
  "name",
  "summary",
  "arguments",
  "input",
  "tool_calls",
  "function_call",
]);
/** As deep as a body may be at all (server/json_fields.ts). */
const MAX_DEPTH = 256;

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
    // A template that the server keeps, and what is filled in.
    if (body.prompt !== undefined && body.prompt !== null) reader.unseen.push("prompt");
    if (typeof body.input === "string") reader.content(body.input, ["input"], "content");
    else reader.messages(body.input, ["input"]);
  }
  for (const name of EVERYTHING) reader.everything(body[name], [name], "content");
  return reader;
}

/** Whether all words of a part are in fields that are read. One without a type may be anything else as well. */
function isTextPart(part: Json): boolean {
  const isKnown = part.type === undefined
    ? Object.keys(part).every((name) => TEXT_FIELDS.includes(name))
    : TEXT_PARTS.has(String(part.type));
  return isKnown && TEXT_FIELDS.some((name) => typeof part[name] === "string");
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
      const own = [...path, at];
      if (typeof message === "string") return this.content(message, own, "content");
      if (!isObject(message)) return;
      const { role } = message;
      // It stands for what was said before, which is not here.
      if (message.type === "item_reference") this.unseen.push("item_reference");
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
      this.content(message.summary, [...own, "summary"], "reasoning");
      this.#call(message, own);
      if (Array.isArray(message.tool_calls)) {
        message.tool_calls.forEach((call: unknown, index) => {
          if (!isObject(call)) return;
          for (const name of ["function", "custom"]) {
            const given = call[name];
            if (!isObject(given)) continue;
            const at = [...own, "tool_calls", index, name];
            this.#call(given, at);
            this.content(given.name, [...at, "name"], "tool_arguments");
          }
        });
      }
      if (isObject(message.function_call)) {
        this.#call(message.function_call, [...own, "function_call"]);
        this.content(
          message.function_call.name,
          [...own, "function_call", "name"],
          "tool_arguments",
        );
      }
      for (const [name, value] of Object.entries(message)) {
        if (KNOWN_MEMBERS.has(name)) continue;
        const said = name === "output" ? "tool_results" : channel;
        if (name === "output" && Array.isArray(value)) this.content(value, [...own, name], said);
        else {
          this.#message++;
          this.everything(value, [...own, name], said);
        }
      }
    });
  }

  /** A text, or a list of parts. */
  content(content: unknown, path: JsonPath, channel: PolicyChannel): void {
    this.#message++;
    if (typeof content === "string") return this.#add(channel, path, content);
    if (isObject(content)) return this.#part(content, path, channel);
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

  /** Every text in a value: where a model reads it as JSON, it reads the names of fields too. */
  everything(value: unknown, path: JsonPath, channel: PolicyChannel): void {
    if (path.length > MAX_DEPTH) return;
    if (typeof value === "string") this.#add(channel, path, value);
    else if (Array.isArray(value)) {
      value.forEach((one, at) => this.everything(one, [...path, at], channel));
    } else if (isObject(value)) {
      for (const [name, one] of Object.entries(value)) {
        this.#addName(channel, name);
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
    const { type, source } = part;
    if (isTextPart(part)) return;
    if (type === "tool_use" || type === "server_tool_use") {
      this.content(part.name, [...path, "name"], "tool_arguments");
    } else if (type === "document" && isObject(source) && READABLE.has(String(source.type))) {
      for (const name of ["title", "context"]) {
        this.everything(part[name], [...path, name], channel);
      }
      this.everything(source, [...path, "source"], channel);
    } else this.unseen.push(String(type ?? "a part"));
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

  /** It follows no other text, and none follows it. */
  #addName(channel: PolicyChannel, name: string): void {
    const message = -1 - this.texts.length;
    if (name !== "") this.texts.push({ channel, path: null, text: name, message, isJson: false });
  }
}

// What a request says, as guards are shown it: every text with who says it, in which channel, and where it
// stands. Fields that this program does not know are read as well: what a guard did not see might be what
// the model reads. What nobody can read as a text is told by its name.

import { isObject, type Json } from "../../json/json.ts";
import type { JsonPath } from "../prompt/json_splice.ts";
import type { PromptBody } from "../prompt/prompt_body.ts";
import type { GuardText } from "./verdict.ts";

export interface PlacedText extends GuardText {
  readonly path: JsonPath;
}

export interface PromptTexts {
  readonly texts: readonly PlacedText[];
  /** Images, audio, token ids and the like, by what they are called. */
  readonly unscannable: readonly string[];
}

/** Fields whose texts a model reads, with the channel of each. */
const FIELDS: readonly (readonly [field: string, role: string, channel: string])[] = [
  ["system", "system", "system"],
  ["instructions", "system", "system"],
  ["chat_template", "system", "system"],
  ["chat_template_kwargs", "system", "system"],
  ["tools", "system", "tool_definitions"],
  ["functions", "system", "tool_definitions"],
  ["documents", "tool", "tool_results"],
  ["messages", "user", "content"],
  ["input", "user", "content"],
  ["prompt", "user", "content"],
  ["suffix", "user", "content"],
];

/** Members that name or number something, within messages and parts. */
const NO_TEXT = new Set([
  "type",
  "role",
  "id",
  "tool_call_id",
  "tool_use_id",
  "call_id",
  "status",
  "detail",
  "format",
  "media_type",
  "signature",
  "cache_control",
  "encrypted_content",
]);
const CHANNEL_OF_ROLE: Readonly<Record<string, string>> = {
  system: "system",
  developer: "system",
  tool: "tool_results",
  function: "tool_results",
};
const CHANNEL_OF_TYPE: Readonly<Record<string, string>> = {
  tool_result: "tool_results",
  function_call_output: "tool_results",
  tool_use: "tool_arguments",
  function_call: "tool_arguments",
  thinking: "reasoning",
  reasoning: "reasoning",
};
const CHANNEL_OF_MEMBER: Readonly<Record<string, string>> = {
  tool_calls: "tool_arguments",
  arguments: "tool_arguments",
  reasoning: "reasoning",
  reasoning_content: "reasoning",
};
const MEDIA = /image|audio|video|file|pdf|document_url|item_reference/;
/** Sources of documents that are texts: others are files. */
const READABLE = new Set(["text", "content"]);

/** The texts in `channels`; in all but the definitions of tools where that is undefined. */
export function promptTexts(
  body: PromptBody,
  channels: readonly string[] | undefined,
): PromptTexts {
  const walk = new Walk(channels);
  const { json } = body;
  for (const [field, role, channel] of FIELDS) walk.value(json[field], [field], role, channel);
  for (const field of ["prompt_embeds", "mm_processor_kwargs"]) {
    if (json[field] !== undefined && json[field] !== null) walk.unscannable.add(field);
  }
  return { texts: walk.texts, unscannable: [...walk.unscannable] };
}

class Walk {
  readonly texts: PlacedText[] = [];
  readonly unscannable = new Set<string>();

  constructor(private readonly channels: readonly string[] | undefined) {}

  value(value: unknown, path: JsonPath, role: string, channel: string): void {
    if (typeof value === "string") return this.#add({ role, channel, text: value, path });
    if (Array.isArray(value)) {
      if (value.some((one) => typeof one === "number") && isPrompt(path)) {
        this.unscannable.add("token ids");
        return;
      }
      value.forEach((one, at) => this.value(one, [...path, at], role, channel));
    } else if (isObject(value)) this.#object(value, path, role, channel);
  }

  #object(value: Json, path: JsonPath, role: string, channel: string): void {
    const type = typeof value.type === "string" ? value.type : "";
    const media = mediaIn(value, type, path);
    if (media !== null) {
      this.unscannable.add(media);
      return;
    }
    const isMessage = typeof value.role === "string";
    const who = isMessage ? String(value.role) : role;
    const own = CHANNEL_OF_TYPE[type] ?? (isMessage ? CHANNEL_OF_ROLE[who] : undefined) ?? channel;
    for (const [name, inner] of Object.entries(value)) {
      if (own !== "tool_definitions" && NO_TEXT.has(name)) continue;
      this.value(inner, [...path, name], who, CHANNEL_OF_MEMBER[name] ?? own);
    }
  }

  #add(text: PlacedText): void {
    const { channel } = text;
    const isWanted = this.channels === undefined
      ? channel !== "tool_definitions"
      : this.channels.includes(channel);
    if (isWanted && text.text !== "") this.texts.push(text);
  }
}

/** `prompt: [1, 2]` or `prompt: [[1, 2], …]`. */
function isPrompt(path: JsonPath): boolean {
  return path[0] === "prompt" && path.length <= 2;
}

/** What a part is that nobody can read as a text, by its type or, where it says none, by its members. */
function mediaIn(value: Json, type: string, path: JsonPath): string | null {
  if (MEDIA.test(type)) return type;
  if (type === "document" && isObject(value.source)) {
    return READABLE.has(String(value.source.type)) ? null : type;
  }
  if (type !== "" || path.at(-2) !== "content") return null;
  return Object.keys(value).find((name) => MEDIA.test(name)) ?? null;
}

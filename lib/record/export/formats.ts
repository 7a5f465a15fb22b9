// The forms that an export can have, each from a record in either of the recorded forms. Within one
// form every entry has the same keys with values of the same types; where the values of a list differ
// in their keys (tools, arguments of calls), they are JSON text.

import { type Json, objectsIn, textOf } from "../../json/json.ts";
import { jsonText } from "../json_text.ts";
import { type Media, textWithMedia } from "../media.ts";
import { type Encoder, jsonArray, jsonLines } from "./encoder.ts";
import { commonIn, isText, messagesIn, toolsIn, turnsIn } from "./recorded.ts";

export interface ExportFormat {
  /** One entry with all keys, absent values as "" or []; null for a record that this form cannot hold. */
  make(record: Json): Json | null;
  /**
   * Keys that all entries lack where no entry of the export has a value, `list.key` for those of the
   * objects in a list. The types of lists cannot be known before one has a value.
   */
  optional: readonly string[];
  encoder(): Promise<Encoder> | Encoder;
}

const MEDIA = ["images", "audios", "videos"];

export const formats: Readonly<Record<ExportFormatName, ExportFormat>> = {
  sharegpt: { make: ifText(sharegptOf), optional: MEDIA, encoder: jsonArray },
  openai: {
    make: ifText(openaiOf),
    optional: [
      "messages.reasoning_content",
      "messages.tool_calls",
      "messages.tool_call_id",
      "messages.name",
      "tools",
      ...MEDIA,
    ],
    encoder: jsonLines,
  },
  alpaca: { make: ifText(alpacaOf), optional: ["system", "history", ...MEDIA], encoder: jsonArray },
  parquet: {
    make: ifText(bothOf),
    optional: [],
    // Only here: the library is of no use to the gateway.
    encoder: async () => (await import("./parquet.ts")).parquet(),
  },
};

export type ExportFormatName = "sharegpt" | "openai" | "alpaca" | "parquet";

function ifText(make: (record: Json) => Json | null): (record: Json) => Json | null {
  return (record) => isText(record) ? make(record) : null;
}

/** vLLM's benchmark and LLaMA-Factory read it as it is. */
function sharegptOf(record: Json): Json | null {
  const found = turnsIn(record);
  if (found === null) return null;
  const { id, model, created, meta } = commonIn(record);
  const tools = toolsIn(record);
  return {
    id,
    conversations: found.turns,
    tools: tools.length === 0 ? "" : jsonText(tools),
    model,
    created,
    meta,
    ...found.media,
  };
}

/** For TRL, axolotl and OpenAI's own fine-tuning. */
function openaiOf(record: Json): Json | null {
  const media: Media = { images: [], audios: [], videos: [] };
  const messages = messagesIn(record).map((message) => plainMessage(message, media));
  if (messages.length === 0) return null;
  const { id, model, created, meta } = commonIn(record);
  return { id, messages, tools: jsonText(toolsIn(record)), model, created, meta, ...media };
}

function plainMessage(message: Json, media: Media): Json {
  const { role, content, refusal, reasoning, reasoning_content, tool_calls, function_call } =
    message;
  const calls = objectsIn(tool_calls).map((call) => ({ id: textOf(call.id), fn: call.function }));
  // OpenAI's form before there were tools.
  if (function_call !== undefined) calls.push({ id: "", fn: function_call });
  return {
    role: textOf(role),
    content: textWithMedia(content, media) || textOf(refusal),
    reasoning_content: textOf(reasoning) || textOf(reasoning_content),
    tool_calls: calls.map(({ id, fn }) => {
      const { name, arguments: given } = (fn ?? {}) as Json;
      const text = typeof given === "string" ? given : jsonText(given ?? {});
      return { id, type: "function", function: { name: textOf(name), arguments: text } };
    }),
    tool_call_id: textOf(message.tool_call_id),
    name: textOf(message.name),
  };
}

/** Stanford Alpaca with LLaMA-Factory's `system` and `history`. Tool calls have no place in it. */
function alpacaOf(record: Json): Json | null {
  const found = turnsIn(record);
  if (found === null) return null;
  let { turns } = found;
  const [first] = turns;
  const system = first.from === "system" ? first.value : "";
  if (first.from === "system") turns = turns.slice(1);
  if (turns.length < 2 || turns.length % 2 !== 0) return null;
  const spoken = turns.every(({ from }, at) => from === (at % 2 === 0 ? "human" : "gpt"));
  if (!spoken) return null;
  const history: [string, string][] = [];
  for (let at = 0; at < turns.length - 2; at += 2) {
    history.push([turns[at].value, turns[at + 1].value]);
  }
  return {
    instruction: turns.at(-2)!.value,
    input: "",
    output: turns.at(-1)!.value,
    system,
    history,
    ...found.media,
  };
}

/** Columns for either kind of reader: each reads the ones that it names. */
function bothOf(record: Json): Json | null {
  const shared = sharegptOf(record);
  const chat = openaiOf(record);
  if (shared === null || chat === null) return null;
  return { ...shared, messages: chat.messages };
}

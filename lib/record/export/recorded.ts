// What stands in a recorded line, whichever form and version it was written in.

import { isObject, type Json, objectsIn, textOf } from "../../json/json.ts";
import { jsonText } from "../json_text.ts";
import type { Media } from "../media.ts";
import { metaIn } from "../meta_in.ts";
import { type Turn, turnsOf } from "../sharegpt.ts";
import { messagesFrom } from "./messages_from_turns.ts";

/** The messages in OpenAI's form, as they were sent where they were recorded so. */
export function messagesIn(record: Json): Json[] {
  return Array.isArray(record.messages)
    ? objectsIn(record.messages)
    : messagesFrom(record, mediaIn(record));
}

/** The turns of ShareGPT, and what their placeholders stand for; null for a line that has none. */
export function turnsIn(record: Json): { turns: Turn[]; media: Media } | null {
  if (Array.isArray(record.conversations)) {
    const turns = objectsIn(record.conversations).map(({ from, value }) =>
      ({ from: textOf(from), value: textOf(value) }) as Turn
    );
    return turns.length === 0 ? null : { turns, media: mediaIn(record) };
  }
  if (!Array.isArray(record.messages)) return null;
  const media: Media = { images: [], audios: [], videos: [] };
  const turns = turnsOf(objectsIn(record.messages), media);
  return turns.length === 0 ? null : { turns, media };
}

/** `tools` is a list in the one recorded form and the JSON text of one in the other. */
export function toolsIn(record: Json): Json[] {
  const { tools } = record;
  if (typeof tools !== "string") return objectsIn(tools);
  try {
    return objectsIn(JSON.parse(tools === "" ? "[]" : tools));
  } catch {
    // Not written by this program; the conversation is worth more than its tools.
    return [];
  }
}

/** In `meta`; beside it before 1.1. */
function mediaIn(record: Json): Media {
  const { media } = metaIn(record);
  const lists = isObject(media) ? media : record;
  const texts = (value: unknown) => Array.isArray(value) ? value.map((one) => textOf(one)) : [];
  return {
    images: texts(lists.images),
    audios: texts(lists.audios),
    videos: texts(lists.videos),
  };
}

/** The fields that all forms have, of one type each. */
export function commonIn(
  record: Json,
): { id: string; model: string; created: number; meta: string } {
  const { id, model, created } = record;
  return {
    id: textOf(id),
    model: textOf(model),
    created: Number.isSafeInteger(created) ? created as number : 0,
    meta: jsonText(metaIn(record)),
  };
}

/** Whether the conversation is words: a prompt of token ids is of use to nobody without its model. */
export function isText(record: Json): boolean {
  return metaIn(record).prompt !== "token_ids";
}

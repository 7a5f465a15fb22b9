// Content of a message as one text, with the placeholders that LLaMA-Factory knows in the place of
// pictures, sounds and films.

import { isObject, type Json, textOf } from "../json/json.ts";
import { jsonText } from "./json_text.ts";

/** What the placeholders of one record stand for, in their order: addresses, or data: addresses. */
export interface Media {
  images: string[];
  audios: string[];
  videos: string[];
}

/** Adds what it finds to `media`. Parts are joined by line feeds, as vLLM does for text templates. */
export function textWithMedia(content: unknown, media: Media): string {
  if (typeof content === "string") return content;
  if (content === null || content === undefined) return "";
  if (!Array.isArray(content)) return jsonText(content);
  return content.map((part) => {
    if (typeof part === "string") return part;
    return isObject(part) ? partText(part, media) : "";
  }).filter((text) => text !== "").join("\n");
}

function partText(part: Json, media: Media): string {
  switch (part.type) {
    case "image_url":
    case "input_image":
    case "image":
      media.images.push(addressOf(part.image_url ?? part.image ?? part.url));
      return "<image>";
    case "audio_url":
      media.audios.push(addressOf(part.audio_url));
      return "<audio>";
    case "input_audio":
      media.audios.push(soundOf(part.input_audio));
      return "<audio>";
    case "video_url":
      media.videos.push(addressOf(part.video_url));
      return "<video>";
    default:
      if (typeof part.text === "string") return part.text;
      if (typeof part.refusal === "string") return part.refusal;
      // A kind that ShareGPT has no place for: kept readable rather than lost.
      return jsonText(part);
  }
}

/** Both `"https://…"` and `{"url": "https://…"}` are in use. */
function addressOf(value: unknown): string {
  if (typeof value === "string") return value;
  const { url } = (value ?? {}) as Json;
  return typeof url === "string" ? url : jsonText(value ?? null);
}

function soundOf(value: unknown): string {
  const { data, format } = (value ?? {}) as Json;
  return `data:audio/${textOf(format) || "wav"};base64,${textOf(data)}`;
}

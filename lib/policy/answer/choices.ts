// The choices of an event: which it is about, and the same event without some of them.

import type { Api } from "../../api/dialects.ts";
import type { Text } from "../../api/dialect.ts";
import { isObject, type Json, objectIn } from "../../json/json.ts";
import { readEvent } from "../../sse/framing.ts";
import { isReason } from "../../sse/meaning.ts";
import { HeldEvent } from "./held.ts";
import { MADE } from "./output.ts";
import type { Piece } from "./lane.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A set of choices by their index. */
interface Indexes {
  has(index: number): boolean;
}

/** The choices that an event is about, and whether they end with it; the one of an API that knows no others. */
export function choicesOf(api: Api, data: Json): { index: number; ends: boolean }[] {
  if (api === "responses" || api === "messages") return [{ index: 0, ends: false }];
  const { choices } = data;
  return !Array.isArray(choices) ? [] : choices.filter(isObject).map((choice) => ({
    index: indexOf(choice),
    ends: typeof choice.finish_reason === "string" && isReason(choice.finish_reason),
  }));
}

/** The same data without those choices. */
export function withoutChoices(data: Json, left: Indexes): Json {
  const { choices } = data;
  if (!Array.isArray(choices)) return data;
  return { ...data, choices: choices.filter((one) => !isObject(one) || !left.has(indexOf(one))) };
}

/** A held event without those choices, each of its texts where it stands then. */
export function heldWithout(event: HeldEvent, left: Indexes): HeldEvent {
  const data = dataOf(event.bytes);
  if (data === null || !Array.isArray(data.choices)) return event;
  const kept = data.choices.flatMap((one, at) => isObject(one) && left.has(indexOf(one)) ? [] : at);
  const moved = (place: Text): Text => {
    const [field, at, ...rest] = place.path;
    return { ...place, path: [field, kept.indexOf(Number(at)), ...rest] };
  };
  const rest = new HeldEvent(
    eventOf(withoutChoices(data, left)),
    MADE,
    event.choices.filter((one) => !left.has(one)),
    event.pieces.filter(({ lane }) => !left.has(lane.choice))
      .map(({ lane, place, start, end }): Piece => ({ lane, place: moved(place), start, end })),
    event.repeated.filter(({ place }) => !left.has(place.choice))
      .map(({ place, text }) => ({ place: moved(place), text })),
  );
  rest.waitsSince = event.waitsSince;
  return rest;
}

/** An event that ends some choices does so no more: how they end is told apart. */
export function withoutEnds(bytes: Uint8Array, ended: Indexes): Uint8Array {
  if (!/"finish_reason"\s*:\s*"/.test(decoder.decode(bytes))) return bytes;
  const data = dataOf(bytes);
  if (data === null || !Array.isArray(data.choices)) return bytes;
  const choices = data.choices.map((one) =>
    isObject(one) && ended.has(indexOf(one)) ? { ...one, finish_reason: null } : one
  );
  return eventOf({ ...data, choices });
}

/** An event of these data alone. */
export function eventOf(data: Json): Uint8Array {
  return encoder.encode(`data: ${JSON.stringify(data)}\n\n`);
}

function dataOf(bytes: Uint8Array): Json | null {
  const event = readEvent(bytes, 0, bytes.length);
  return event?.data ? objectIn(decoder.decode(event.data)) : null;
}

function indexOf(choice: Json): number {
  return typeof choice.index === "number" ? choice.index : 0;
}

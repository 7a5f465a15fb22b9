// Policies on an answer that comes as one body: the same outcome as on its stream.

import type { Api } from "../../api/dialects.ts";
import { dialectOf } from "../../api/dialects.ts";
import type { Text } from "../../api/dialect.ts";
import { isObject, type Json, objectIn } from "../../json/json.ts";
import { withValues } from "../prompt/json_splice.ts";
import { readWhole } from "../text/read_whole.ts";
import type { PolicyTrail } from "../trail.ts";
import { traces, valueOf } from "./held.ts";
import { ANSWER_CHANNELS, type AnswerRules } from "./rules.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export interface FilteredBody {
  readonly body: Uint8Array;
  /** Whether all of its choices were cut. */
  readonly isOver: boolean;
}

/** What the client may see of a body; the very bytes where nothing was found. */
export function filteredBody(
  rules: AnswerRules,
  api: Api,
  body: Uint8Array,
  trail: PolicyTrail,
): FilteredBody {
  const data = objectIn(decoder.decode(body));
  if (data === null) return { body, isOver: false };
  const changes: { place: Text; text: string }[] = [];
  /** The text that each choice was cut in. */
  const cuts = new Map<number, { place: Text; message: string }>();
  const before = new Set<Text>();
  for (const place of dialectOf(api).texts(data)) {
    const cut = cuts.get(place.choice);
    if (cut !== undefined) {
      if (place.repeats) changes.push({ place, text: "" });
      continue;
    }
    before.add(place);
    const own = rules.rulesFor(place.channel);
    if (own === null || place.text === "") continue;
    const { channel, choice } = place;
    const read = readWhole(own, place.text, rules.isJson(channel), (rule) => {
      if (place.repeats) return;
      const { name, mode, said } = rule;
      trail.hit({
        name,
        mode,
        action: said,
        stage: "answer",
        channel: ANSWER_CHANNELS[channel],
        choice,
      });
    });
    if (read.isChanged) changes.push({ place, text: read.text });
    if (read.cutBy !== null) {
      cuts.set(choice, { place, message: rules.messages.get(read.cutBy.name) ?? "" });
    }
  }
  if (changes.length === 0 && cuts.size === 0) return { body, isOver: false };
  const values = changes.map(({ place, text }) => ({
    path: place.path,
    json: valueOf(place, text),
  }));
  const spliced = withValues(body, [...values, ...traces(data)]);
  if (cuts.size === 0) return { body: spliced, isOver: false };
  const rest = objectIn(decoder.decode(spliced))!;
  for (const [choice, { place, message }] of cuts) CUTTERS[api](rest, choice, place, message);
  const all = Array.isArray(rest.choices) ? rest.choices.length : 1;
  return { body: encoder.encode(JSON.stringify(rest)), isOver: cuts.size >= all };
}

/** A body whose choices all end before their first word. */
export function withoutAnswer(api: Api, body: Uint8Array, message: string | null): Uint8Array {
  const data = objectIn(decoder.decode(body));
  if (data === null) return body;
  const texts = dialectOf(api).texts(data);
  const values = texts.map((place) => ({ path: place.path, json: valueOf(place, "") }));
  const rest = objectIn(decoder.decode(withValues(body, [...values, ...traces(data)])));
  if (rest === null) return body;
  const first = new Map(texts.toReversed().map((place) => [place.choice, place]));
  for (const [choice, place] of first) CUTTERS[api](rest, choice, place, message ?? "");
  return encoder.encode(JSON.stringify(rest));
}

/** Ends one choice of a body behind the text at `place`. */
type Cutter = (body: Json, choice: number, place: Text, message: string) => void;

const CUTTERS: Readonly<Record<Api, Cutter>> = {
  chat: (body, index, place, message) => {
    const choice = choiceOf(body, index);
    if (choice === null) return;
    choice.finish_reason = "content_filter";
    const said = isObject(choice.message) ? choice.message : {};
    if (place.channel === "reasoning") said.content = "";
    if (place.channel !== "arguments") delete said.tool_calls;
    else if (Array.isArray(said.tool_calls)) {
      // A call that is cut is left out, and those behind it.
      const at = place.path.indexOf("tool_calls");
      const calls = said.tool_calls.slice(0, at < 0 ? 0 : Number(place.path[at + 1]));
      if (calls.length > 0) said.tool_calls = calls;
      else delete said.tool_calls;
      delete said.function_call;
    }
    if (message !== "") {
      said.content = `${typeof said.content === "string" ? said.content : ""}${message}`;
    }
  },
  completions: (body, index, _, message) => {
    const choice = choiceOf(body, index);
    if (choice === null) return;
    choice.finish_reason = "content_filter";
    choice.text = `${choice.text ?? ""}${message}`;
  },
  responses: (body, _index, place, message) => {
    body.status = "incomplete";
    body.incomplete_details = { reason: "content_filter" };
    const output = Array.isArray(body.output) ? body.output : [];
    const at = Number(place.path[1]);
    const kept = output.slice(0, place.channel === "arguments" ? at : at + 1);
    const last = kept[at];
    if (isObject(last)) {
      last.status = "incomplete";
      const part = Number(place.path[3]);
      if (place.path[2] === "content" && Array.isArray(last.content)) {
        const parts: unknown[] = last.content.slice(0, part + 1);
        last.content = parts;
        const end = parts[part];
        if (isObject(end) && typeof end.text === "string") end.text += message;
      }
    }
    body.output = kept;
    if (typeof body.output_text === "string") delete body.output_text;
  },
  messages: (body, _index, place, message) => {
    body.stop_reason = "refusal";
    body.stop_sequence = null;
    const at = Number(place.path[1]);
    const blocks = Array.isArray(body.content) ? body.content : [];
    body.content = blocks.slice(0, place.channel === "arguments" ? at : at + 1);
    if (message !== "") (body.content as Json[]).push({ type: "text", text: message });
  },
};

function choiceOf(body: Json, index: number): Json | null {
  const choices = Array.isArray(body.choices) ? body.choices.filter(isObject) : [];
  return choices.find((one) => (one.index ?? 0) === index) ?? null;
}

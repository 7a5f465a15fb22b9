// Recorded conversations, the newest first, for people who look into them: files are read backwards, so
// that neither their size nor a search costs more than its limit.

import { join } from "node:path";
import type { Turns } from "../http/turns.ts";
import { hourFile, hoursOf } from "../observe/hour_files.ts";
import { type Line, lineAt, linesBackwards } from "../observe/lines_backwards.ts";
import { isObject, type Json, objectsIn, textOf } from "../json/json.ts";
import { messagesIn, toolsIn } from "./export/recorded.ts";
import { metaIn } from "./meta_in.ts";

export type RecordFolder = "requests_responses" | "incomplete";

export interface BrowseQuery {
  /** Text to look for in the whole line, in any letter case; "" for all. */
  text: string;
  model: string;
  /** `YYYYMMDD_HH`; "" for all. */
  hour: string;
  incomplete: boolean;
  /** `YYYYMMDD_HH:OFFSET`, as the page before gave it; "" for the newest. */
  cursor: string;
}

/** What a list shows of one record. */
export interface RecordSummary {
  /** For readRecord. */
  place: string;
  id: string;
  time: string | null;
  model: string;
  instance: string;
  /** Begin of what was asked last, and of the answer. */
  question: string;
  answer: string;
  finish_reason: string | null;
  /** Why it is no complete answer; null for one that is. */
  error: string | null;
  /** Of an answer that is not complete: aborted, truncated, failed. */
  outcome: string | null;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  duration_ms: number | null;
  turns: number;
}

export interface BrowsePage {
  records: RecordSummary[];
  /** For the next page; null at the end. */
  cursor: string | null;
  /** All hours with a file, the newest first. */
  hours: string[];
  /** Bytes read for this page: a search stops at a limit and may go on with the cursor. */
  scanned_bytes: number;
}

export interface RecordDetail {
  place: string;
  id: string;
  model: string;
  /** As OpenAI's API has them. */
  messages: Json[];
  tools: unknown[];
  meta: Json;
}

const PAGE = 50;
/** Bytes read for one page; a search may go on with the cursor. */
const MAX_SCANNED = 16 * 1024 * 1024;
const SHOWN_CHARS = 240;

/** One page of the records below `dataDir`. */
export async function browse(
  dataDir: string,
  query: BrowseQuery,
  turns?: Turns,
): Promise<BrowsePage> {
  const folder: RecordFolder = query.incomplete ? "incomplete" : "requests_responses";
  const hours = await hoursIn(dataDir, folder);
  const [cursorHour, cursorOffset] = query.cursor === "" ? [null, 0] : splitCursor(query.cursor);
  const wanted = hours.filter((hour) =>
    (query.hour === "" || hour === query.hour) && (cursorHour === null || hour <= cursorHour)
  );
  const matches = lineFilter(query);
  const page: BrowsePage = { records: [], cursor: null, hours, scanned_bytes: 0 };
  for (const hour of wanted) {
    const path = fileOf(dataDir, folder, hour);
    const end = hour === cursorHour ? cursorOffset : null;
    for await (const line of linesBackwards(path, end, turns)) {
      page.scanned_bytes += line.length;
      const summary = summaryOfLine(line, `${folder}:${hour}:${line.offset}`, matches, query.model);
      if (summary !== null) page.records.push(summary);
      if (page.records.length >= PAGE || page.scanned_bytes >= MAX_SCANNED) {
        page.cursor = `${hour}:${line.offset}`;
        return page;
      }
    }
  }
  return page;
}

/** The record at a place that `browse` gave; null where none stands, or one too long to show. */
export async function readRecord(
  dataDir: string,
  place: string,
  turns?: Turns,
): Promise<RecordDetail | null> {
  const found = /^(requests_responses|incomplete):(\d{8}_\d{2}):(\d{1,15})$/.exec(place);
  if (found === null) return null;
  const [, folder, hour, offset] = found;
  const line = await lineAt(fileOf(dataDir, folder as RecordFolder, hour), Number(offset), turns);
  const record = line === null ? null : parsed(line);
  if (record === null) return null;
  return {
    place,
    id: textOf(record.id),
    model: textOf(record.model),
    messages: messagesIn(record),
    tools: toolsIn(record),
    meta: metaIn(record),
  };
}

/** Hours that have a file, the newest first. */
export function hoursIn(dataDir: string, folder: RecordFolder): Promise<string[]> {
  return hoursOf(join(dataDir, folder));
}

export function fileOf(dataDir: string, folder: RecordFolder, hour: string): string {
  return hourFile(join(dataDir, folder), hour);
}

function splitCursor(cursor: string): [hour: string, offset: number] {
  const [hour, offset] = cursor.split(":");
  return [hour, Number(offset)];
}

/** Looks for the text as it stands in a line of JSON. */
function lineFilter({ text, model }: BrowseQuery): (line: string) => boolean {
  const needle = JSON.stringify(text).slice(1, -1).toLowerCase();
  const modelNeedle = JSON.stringify(model);
  return (line) =>
    (model === "" || line.includes(modelNeedle)) &&
    (needle === "" || line.toLowerCase().includes(needle));
}

const decoder = new TextDecoder();

function parsed(bytes: Uint8Array): Json | null {
  try {
    const value = JSON.parse(decoder.decode(bytes));
    return isObject(value) ? value : null;
  } catch {
    // No record: half a line that a crash left, or one of somebody else's making.
    return null;
  }
}

function summaryOfLine(
  line: Line,
  place: string,
  matches: (text: string) => boolean,
  model: string,
): RecordSummary | null {
  if (line.bytes === null) {
    const error = `the record has ${line.length} bytes, too many to show`;
    return model === "" && matches("") ? { ...summaryOf({}, place), error } : null;
  }
  if (!matches(decoder.decode(line.bytes))) return null;
  const record = parsed(line.bytes);
  if (record === null || (model !== "" && record.model !== model)) return null;
  return summaryOf(record, place);
}

/** What a list shows of a record in either of the recorded forms. */
export function summaryOf(record: Json, place: string): RecordSummary {
  const meta = metaIn(record);
  const usage = isObject(meta.usage) ? meta.usage : {};
  const turns = objectsIn(record.conversations ?? record.messages);
  const last = turns.at(-1);
  const answered = last !== undefined && (isFrom(last, ["gpt", "function_call", "assistant"]));
  const question = turns.findLast((turn) => isFrom(turn, ["human", "user"]) && said(turn) !== "");
  const began = textOf(meta.started_at);
  return {
    place,
    id: textOf(record.id),
    time: began !== ""
      ? began
      : typeof record.created === "number"
      ? new Date(record.created * 1000).toISOString()
      : null,
    model: textOf(record.model),
    instance: textOf(meta.instance),
    question: question === undefined ? "" : shortened(said(question)),
    answer: answered ? shortened(said(last)) : "",
    finish_reason: textOf(meta.finish_reason) || null,
    error: textOf(meta.error) || null,
    outcome: textOf(meta.outcome) || null,
    prompt_tokens: numberOf(usage.prompt_tokens ?? usage.input_tokens),
    completion_tokens: numberOf(usage.completion_tokens ?? usage.output_tokens),
    duration_ms: numberOf(meta.duration_ms),
    turns: turns.length,
  };
}

function isFrom(turn: Json, names: readonly string[]): boolean {
  return names.includes(textOf(turn.from ?? turn.role));
}

/** The words of a turn or message; of calls their names. */
function said(turn: Json): string {
  const value = turn.value ?? turn.content;
  if (typeof value === "string" && value !== "") return value;
  if (Array.isArray(value)) {
    const text = objectsIn(value).map((part) => textOf(part.text)).join(" ").trim();
    if (text !== "") return text;
  }
  return objectsIn(turn.tool_calls).map((call) =>
    isObject(call.function) ? textOf(call.function.name) : ""
  ).join(", ");
}

function shortened(text: string): string {
  const plain = text.replace(/^<think>[\s\S]*?<\/think>/, "").replace(/\s+/g, " ").trim();
  return plain.length > SHOWN_CHARS ? `${plain.slice(0, SHOWN_CHARS - 1)}…` : plain;
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

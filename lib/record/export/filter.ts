// Which records an export takes.

import { createHash } from "node:crypto";
import { type Json, objectsIn, textOf } from "../../json/json.ts";
import { metaIn } from "../meta_in.ts";

/** Options as they were written on the command line. */
export interface FilterOptions {
  model?: string[];
  since?: string;
  until?: string;
  finish?: string[];
  "min-turns"?: string;
  "without-policy-hits"?: boolean;
  dedupe?: boolean;
}

/** Makes functions that say whether a record is taken, one for each pass over the records. */
export type FilterMaker = () => (record: Json) => boolean;

/** How to filter, or what is wrong with the options. */
export function readFilter(options: FilterOptions): FilterMaker | string {
  const { model, finish, dedupe } = options;
  const since = timeOf(options.since);
  if (Number.isNaN(since)) return notATime("--since", options.since);
  const until = timeOf(options.until);
  if (Number.isNaN(until)) return notATime("--until", options.until);
  const minTurns = Number(options["min-turns"] ?? 0);
  if (!Number.isInteger(minTurns) || minTurns < 0) {
    return `--min-turns: expected a whole number, got \`${options["min-turns"]}\``;
  }
  const takes = (record: Json) => {
    if (model !== undefined && !model.includes(textOf(record.model))) return false;
    const meta = metaIn(record);
    // What policies took out again must not get in by the file's name.
    if (meta.flagged === true) return false;
    if (options["without-policy-hits"] && objectsIn(meta.policies).length > 0) return false;
    if (finish !== undefined && !finish.includes(textOf(meta.finish_reason))) return false;
    const began = beganAt(record, meta);
    if (since !== null && began < since) return false;
    if (until !== null && began >= until) return false;
    return turnsIn(record) >= minTurns;
  };
  return () => {
    if (!dedupe) return takes;
    const seen = new Set<string>();
    return (record) => {
      if (!takes(record)) return false;
      const { conversations, messages, tools } = record;
      const key = fingerprint(JSON.stringify([conversations ?? messages, tools || []]));
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    };
  };
}

/** Milliseconds since 1970; null where there is none, NaN where it is no time. Local time. */
function timeOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  // A bare date would be read as UTC.
  return Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00` : text);
}

function notATime(option: string, text: string | undefined): string {
  return `${option}: expected a time such as 2026-01-31 or 2026-01-31T12:00, got \`${text}\``;
}

function beganAt(record: Json, meta: Json): number {
  const began = Date.parse(textOf(meta.started_at));
  if (!Number.isNaN(began)) return began;
  return typeof record.created === "number" ? record.created * 1000 : 0;
}

function turnsIn(record: Json): number {
  const turns = objectsIn(record.conversations ?? record.messages);
  const isSystem = (turn: Json) =>
    turn.from === "system" || turn.role === "system" || turn.role === "developer";
  return turns.filter((turn) => !isSystem(turn)).length;
}

/** Kept instead of the text, so that millions of records fit. */
function fingerprint(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

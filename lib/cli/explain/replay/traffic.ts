// Recorded conversations as requests that arrive: when, with which prompt, and which conversation they go on
// with. Of their words only hashes are kept.

import { hashOf } from "../../../pool/memory/hash_table.ts";
import { PromptChain, PromptHasher, UNKNOWN_PROMPT } from "../../../pool/prefix/chain.ts";
import { recordLines } from "../../../record/export/lines.ts";
import { turnsIn } from "../../../record/export/recorded.ts";
import { metaIn } from "../../../record/meta_in.ts";
import type { Turn } from "../../../record/sharegpt.ts";
import type { Json } from "../../../json/json.ts";
import { recordFiles } from "../../record_files.ts";
import { usageIn } from "../../../sse/usage.ts";

export interface Arrival {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly model: string;
  /** Which instance answered. */
  readonly instance: string;
  readonly chain: PromptChain;
  /** Tokens of the prompt and of the answer. */
  readonly tokens: number;
  readonly answerTokens: number;
  /** Tokens of the prompt that were cached, as the instance said; null where it did not. */
  readonly cached: number | null;
  /** Milliseconds from the first token to the end of the answer. */
  readonly answerMs: number;
  /** Stands for the turns up to the last answer that the prompt has in it; 0 for a first question. */
  readonly before: number;
  /** The same with this answer. */
  readonly after: number;
}

export interface Traffic {
  /** In the order of their arrival. */
  readonly arrivals: readonly Arrival[];
  /** Lines that are no records, or say nothing of when they were asked. */
  readonly passedOver: number;
}

/** Further records are left out. */
export const MAX_RECORDS = 200_000;
/** Where an instance has not counted. */
const BYTES_PER_TOKEN = 4;

/** What was recorded in these files and folders. Throws Deno.errors where they cannot be read. */
export async function trafficIn(paths: readonly string[]): Promise<Traffic> {
  const hasher = new PromptHasher();
  const arrivals: Arrival[] = [];
  const seen = new Set<string>();
  let passedOver = 0;
  for (const file of await recordFiles(paths)) {
    for await (const record of recordLines(file)) {
      const arrival = record === null ? null : arrivalOf(record, hasher, seen);
      if (arrival === null) passedOver++;
      else if (arrival !== "again" && arrivals.length < MAX_RECORDS) arrivals.push(arrival);
    }
  }
  arrivals.sort((a, b) => a.at - b.at);
  return { arrivals, passedOver };
}

/** "again": a further answer to a request that is there already. */
function arrivalOf(
  record: Json,
  hasher: PromptHasher,
  seen: Set<string>,
): Arrival | "again" | null {
  const meta = metaIn(record);
  const at = Date.parse(String(meta.started_at)) || Number(record.created) * 1000;
  const turns = turnsIn(record)?.turns ?? [];
  const asked = turns.findLastIndex(({ from }) => from === "human" || from === "observation") + 1;
  if (!Number.isFinite(at) || at <= 0 || asked === 0) return null;
  const id = typeof meta.request_id === "string" ? meta.request_id : "";
  if (id !== "") {
    if (seen.has(id)) return "again";
    seen.add(id);
  }
  const text = `${record.tools ?? ""}${JSON.stringify(turns.slice(0, asked))}`;
  const bytes = new TextEncoder().encode(text);
  const parts = [{ start: 0, end: bytes.length }];
  const { lanes } = hasher.chain(bytes, { ...UNKNOWN_PROMPT, parts });
  const usage = usageIn(JSON.stringify(meta.usage ?? {}));
  const tokens = usage?.promptTokens || Math.ceil(bytes.length / BYTES_PER_TOKEN);
  const answered = turns.findLastIndex(({ from }, place) => place < asked && isAnswer(from)) + 1;
  const [first, whole] = [Number(meta.first_byte_ms), Number(meta.duration_ms)];
  return {
    at,
    model: String(record.model ?? ""),
    instance: String(meta.instance ?? ""),
    chain: new PromptChain(lanes, bytes.length, [], tokens),
    tokens,
    answerTokens: usage?.completionTokens ?? 0,
    cached: usage?.cachedTokens ?? null,
    answerMs: whole > first ? whole - first : 0,
    before: answered === 0 ? 0 : keyOf(turns.slice(0, answered)),
    after: keyOf(turns),
  };
}

const isAnswer = (from: Turn["from"]) => from === "gpt" || from === "function_call";

/** Clients send back what was said, and mostly not what was thought. */
function keyOf(turns: readonly Turn[]): number {
  const said = turns.map(({ from, value }) =>
    `${from}\n${isAnswer(from) ? value.replace(/^<think>[^]*?<\/think>\s*/, "") : value}`
  );
  return hashOf(said.join("\n\n"));
}

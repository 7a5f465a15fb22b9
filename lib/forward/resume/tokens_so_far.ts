// Prompt and answer so far as token ids, and the answer's raw text: known where the first instance gave the
// ids, else made from the texts by an instance's tokenizer.

import type { Api } from "../../api/api.ts";
import { dialectOf } from "../../api/dialects.ts";
import { type Json, objectsIn, textOf } from "../../json/json.ts";
import type { Question } from "../question.ts";
import { USUAL_MARKS, type Whole } from "./raw_text.ts";
import type { TokenIds } from "./token_ids.ts";

export interface TokensSoFar {
  prompt: readonly number[];
  answer: readonly number[];
  /** The answer's text, special tokens included. */
  raw: string;
  /** Tokens that the answer was made of, as far as its ids can tell. */
  count: number;
  /** Those of a character that is not whole, which come again. */
  parts: readonly number[];
}

/** The end of a text whose last character is not whole. */
const PART = /\uFFFD$/;
/** No character has more tokens. */
const MAX_PARTS = 4;

/**
 * Ids that the first instance has told: the very tokens. Those of a character that is not whole are made
 * anew, since vLLM repeats the end of a prompt that breaks off within one; of them the client has no text.
 */
export async function knownTokens(ids: TokenIds, ask: Question): Promise<TokensSoFar | null> {
  const prompt = ids.prompt();
  for (let parts = 0; parts <= MAX_PARTS; parts++) {
    const whole = ids.answer.length - parts;
    const answer = ids.answer.slice(0, whole);
    const told = answer.length === 0
      ? { prompt: "" }
      : await ask("/detokenize", { tokens: answer });
    const raw = told?.prompt;
    if (typeof raw !== "string") return null;
    if (!PART.test(raw)) {
      return { prompt, answer, raw, count: whole, parts: ids.answer.slice(whole) };
    }
  }
  return null;
}

/** Ids that the instance makes of the request's conversation and the words of the answer so far. */
export async function madeTokens(
  api: Api,
  request: Json,
  words: Whole,
  marks: readonly (readonly [string, string])[],
  ask: Question,
): Promise<TokensSoFar | null> {
  const prompt = await promptOf(api, request, ask);
  if (prompt === null || prompt.length === 0) return null;
  const told = await ask("/detokenize", { tokens: prompt.slice(-16) });
  const raw = rawOf(words, textOf(told?.prompt).trimEnd(), [...marks, ...USUAL_MARKS]);
  const answer = idsIn(await ask("/tokenize", { prompt: raw, add_special_tokens: false }));
  if (answer === null) return null;
  // What stands for bytes that are no character has more tokens than they had.
  const plain = raw.replaceAll("\uFFFD", "");
  const counted = plain === raw
    ? answer
    : idsIn(await ask("/tokenize", { prompt: plain, add_special_tokens: false }));
  return { prompt, answer, raw, count: (counted ?? answer).length, parts: [] };
}

async function promptOf(api: Api, request: Json, ask: Question): Promise<number[] | null> {
  const dialect = dialectOf(api);
  const usual = dialect.prompt?.(request) ?? null;
  if (usual === null) return null;
  const ids = idsIn(await ask("/tokenize", usual));
  const other = ids === null ? dialect.promptRefused?.(usual) ?? null : null;
  return other === null ? ids : idsIn(await ask("/tokenize", other));
}

/** The words as the model wrote them, behind a prompt that ends in `before`. */
function rawOf(
  { reasoning, content, calls }: Whole,
  before: string,
  marks: readonly (readonly [string, string])[],
): string {
  const opened = marks.find(([open]) => before.endsWith(open));
  let raw = "";
  if (reasoning !== "") {
    const [open, close] = opened ?? marks[0];
    raw = (opened === undefined ? open : "") + reasoning;
    if (content !== "" || calls.length > 0) raw += close;
  } else if (opened !== undefined) raw = `\n${opened[1]}\n\n`;
  raw += content;
  for (const [index, call] of calls.entries()) {
    raw += `${index > 0 || content !== "" ? "\n" : ""}<tool_call>\n` +
      `{"name": ${JSON.stringify(call.name)}, "arguments": ${call.arguments}`;
    if (index < calls.length - 1) raw += "}\n</tool_call>";
  }
  return raw;
}

function idsIn(told: Json | null): number[] | null {
  const tokens = told?.tokens;
  return Array.isArray(tokens) && tokens.every((id) => Number.isInteger(id)) ? tokens : null;
}

/** `max_model_len` of `model` as the instance tells it; null without. */
export async function contextLengthFrom(ask: Question): Promise<number | null> {
  const told = await ask("/v1/models", null);
  const lengths = objectsIn(told?.data).map((entry) => entry.max_model_len)
    .filter((length): length is number => typeof length === "number");
  return lengths.length === 0 ? null : Math.min(...lengths);
}

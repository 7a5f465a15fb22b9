// Policies of type `context`: how long a prompt may be together with the answer that is asked for. Too long
// ones are refused, or lose their oldest turns, or have these summed up.

import { RequestError } from "../../http/client.ts";
import { answerLengthOf } from "./answer_length.ts";
import { elementsOf, placeOf } from "./json_splice.ts";
import type { PromptBody } from "./prompt_body.ts";
import { elementsToDrop, steadyRatio, tokensToDrop } from "./shorten.ts";
import { listOf } from "./turns.ts";

export interface ContextRules {
  readonly limit: number;
  readonly over: "reject" | "truncate" | "compact";
  readonly keepLastTurn: boolean;
  readonly downTo: number;
}

/** Counts tokens of prompts, as well as it is known how. */
export interface TokenCounter {
  /** By what is learned of the model. */
  estimate(body: PromptBody): number;
  /** By an instance's tokenizer; null where none can be asked. */
  exact(body: PromptBody): Promise<number | null>;
  /** Tokens of a part of the body, at `ratio` tokens a byte. */
  sizeOf(bytes: Uint8Array, start: number, end: number, ratio: number): number;
  /** Bytes of the text of the prompt. */
  textBytes(body: PromptBody): number;
}

/** Sums turns up; null where that cannot be had in time. */
export type Summarise = (turns: string) => Promise<string | null>;

/** An estimate this near to the limit, as a share of it, is looked into. */
const NEAR = 0.25;
/** Rounds of cutting, should the estimates of parts be wrong. */
const ROUNDS = 3;

export type ContextOutcome =
  | { readonly kind: "fits" }
  | { readonly kind: "shortened"; readonly action: "truncate" | "compact"; readonly turns: number }
  | { readonly kind: "too_long"; readonly tokens: number; readonly answer: number };

/** Holds the prompt to the limit. */
export async function holdToContext(
  body: PromptBody,
  rules: ContextRules,
  counter: TokenCounter,
  summarise: Summarise | null,
): Promise<ContextOutcome> {
  const answer = answerLengthOf(body.api, body.json) ?? 0;
  let tokens = await countedNear(body, rules.limit - answer, counter);
  if (tokens + answer <= rules.limit) return { kind: "fits" };
  const tooLong = { kind: "too_long", tokens, answer } as const;
  if (rules.over === "reject") return tooLong;
  let turns = 0;
  let action: "truncate" | "compact" = "truncate";
  for (let round = 0; round < ROUNDS; round++) {
    const cut = shortened(body, tokens + answer, rules, counter, tokens);
    if (cut === null) return tooLong;
    turns += cut.gone.length;
    const summary = rules.over === "compact" && round === 0 && summarise !== null
      ? await summarise(cut.said)
      : null;
    const { field, gone } = cut;
    const inserted = summary === null ? [] : summaryItems(summary, gone[0]);
    if (summary !== null) action = "compact";
    body.relist([field], { removed: new Set(gone), inserted });
    tokens = await countedNear(body, rules.limit - answer, counter);
    if (tokens + answer <= rules.limit) return { kind: "shortened", action, turns };
  }
  return tooLong;
}

/** vLLM's words for a prompt that is too long, by which its clients know it. */
export function tooLongWords(limit: number, tokens: number, answer: number): string {
  return `This model's maximum context length is ${limit} tokens. However, you requested ${answer} output ` +
    `tokens and your prompt contains ${tokens} input tokens, for a total of ${
      tokens + answer
    } tokens. ` +
    "Please reduce the length of the input prompt or the number of requested output tokens.";
}

async function countedNear(
  body: PromptBody,
  bound: number,
  counter: TokenCounter,
): Promise<number> {
  const estimate = counter.estimate(body);
  const isNear = Math.abs(estimate - bound) <= Math.max(bound, 1) * NEAR;
  return isNear ? await counter.exact(body) ?? estimate : estimate;
}

interface Cut {
  field: string;
  /** Indices of what goes, from the first on. */
  gone: readonly number[];
  /** What it says, as JSON. */
  said: string;
}

function shortened(
  body: PromptBody,
  total: number,
  rules: ContextRules,
  counter: TokenCounter,
  tokens: number,
): Cut | null {
  const list = listOf(body.api, body.json);
  if (list === null) return null;
  const { field, items } = list;
  const place = placeOf(body.bytes, [field]);
  if (place === null) throw new RequestError(400, `The request has no \`${field}\``, field);
  const ratio = steadyRatio(tokens / Math.max(1, counter.textBytes(body)));
  const sizes = elementsOf(body.bytes, place.start)
    .map(({ start, end }) => counter.sizeOf(body.bytes, start, end, ratio));
  const gone = elementsToDrop(items, sizes, tokensToDrop(total, rules), rules);
  if (gone.length === 0) return null;
  return { field, gone, said: JSON.stringify(gone.map((at) => items[at])) };
}

/** As a question and its answer, since many templates want these to take turns. */
function summaryItems(summary: string, before: number) {
  const items = [
    { role: "user", content: `What we have said before, in short:\n${summary}` },
    { role: "assistant", content: "I have read it." },
  ];
  return items.map((item) => ({ before, json: JSON.stringify(item) }));
}

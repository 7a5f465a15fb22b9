// Log probabilities as vLLM writes them down. The numbers are made up, from the token alone.

import { scramble } from "./model.ts";
import { Detokenizer } from "./detokenizer.ts";
import { byteOf, tokenText } from "./tokenizer.ts";

/** The log probability of a token, always below 0. */
function logprob(id: number): number {
  return -((scramble(id) >>> 0) % 997 + 1) / 1000;
}

function name(id: number, asIds: boolean, text = tokenText(id)): string {
  return asIds ? `token_id:${id}` : text;
}

/**
 * The texts of the tokens `ids[from, …)`: of a character's bytes the last one has all of it, those before it
 * nothing (vLLM's `_correct_decoded_token`).
 */
export function textsFrom(ids: readonly number[], from: number): string[] {
  let start = from;
  while (start > 0 && byteOf(ids[start - 1]) !== null) start--;
  const text = new Detokenizer(false);
  return ids.slice(start).map((id) => {
    const said = text.push(id);
    return byteOf(id) === null ? tokenText(id) : said;
  }).slice(from - start);
}

/** An entry of a chat choice's `logprobs.content`. */
export function chatLogprob(id: number, text: string, top: number, asIds: boolean) {
  const entry = (token: number, value: number) => {
    const said = token === id ? text : tokenText(token);
    return {
      token: name(token, asIds, said),
      logprob: value,
      bytes: [...new TextEncoder().encode(said)],
    };
  };
  return {
    ...entry(id, logprob(id)),
    top_logprobs: Array.from(
      { length: top },
      (_, rank) => entry(rank === 0 ? id : 100 + rank, logprob(id) - rank),
    ),
  };
}

/** The `logprobs` of a completion's choice. */
export function completionLogprobs(
  ids: readonly number[],
  texts: readonly string[],
  top: number,
  asIds: boolean,
  offset: number,
) {
  let at = offset;
  return {
    text_offset: texts.map((text) => {
      const here = at;
      at += text.length;
      return here;
    }),
    token_logprobs: ids.map(logprob),
    tokens: ids.map((id, at) => name(id, asIds, texts[at])),
    top_logprobs: ids.map((id, at) =>
      Object.fromEntries(Array.from(
        { length: Math.max(1, top) },
        (_, rank) => [
          rank === 0 ? name(id, asIds, texts[at]) : name(100 + rank, asIds),
          logprob(id) - rank,
        ],
      ))
    ),
  };
}

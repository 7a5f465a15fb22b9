// Log probabilities as vLLM writes them down. The numbers are made up, from the token alone.

import { scramble } from "./model.ts";
import { tokenText } from "./tokenizer.ts";

/** The log probability of a token, always below 0. */
function logprob(id: number): number {
  return -((scramble(id) >>> 0) % 997 + 1) / 1000;
}

function name(id: number, asIds: boolean): string {
  return asIds ? `token_id:${id}` : tokenText(id);
}

/** An entry of a chat choice's `logprobs.content`. */
export function chatLogprob(id: number, top: number, asIds: boolean) {
  const entry = (token: number, value: number) => ({
    token: name(token, asIds),
    logprob: value,
    bytes: [...new TextEncoder().encode(tokenText(token))],
  });
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
  top: number,
  asIds: boolean,
  offset: number,
) {
  let at = offset;
  return {
    text_offset: ids.map((id) => {
      const here = at;
      at += tokenText(id).length;
      return here;
    }),
    token_logprobs: ids.map(logprob),
    tokens: ids.map((id) => name(id, asIds)),
    top_logprobs: ids.map((id) =>
      Object.fromEntries(Array.from(
        { length: Math.max(1, top) },
        (_, rank) => [name(rank === 0 ? id : 100 + rank, asIds), logprob(id) - rank],
      ))
    ),
  };
}

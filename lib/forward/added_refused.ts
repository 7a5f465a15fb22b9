// What the gateway has added to a request by itself, and a server refuses: such a refusal is no mistake of the
// client's, who never asked for it.

import { readError } from "../api/error.ts";
import type { Instance } from "../pool/instance.ts";
import { type Ask, FirstAsk } from "./ask.ts";
import type { Attempt } from "./attempt.ts";
import type { Proof } from "./attempt/proof.ts";

/**
 * Whether it refuses the rank that the gateway named: it was started anew with fewer. These are vLLM's words,
 * whose beginning no client can choose.
 */
export function refusesRank(proof: Proof, { rank }: Attempt): boolean {
  if (rank === null || proof.kind !== "whole") return false;
  const { status } = proof.head;
  if (status < 400 || status >= 500) return false;
  return /^(\w+: )?data_parallel_rank\b/.test(readError(proof.body, status).message);
}

/** The option of ours for which a server refuses a request: it is asked once more without. */
export function refusedOption(
  proof: Proof,
  ask: Ask,
  { config }: Instance,
): "return_token_ids" | "stream_options" | null {
  if (!(ask instanceof FirstAsk) || proof.kind !== "whole") return null;
  const { status } = proof.head;
  if (status !== 400 && status !== 422) return null;
  if (!ask.asksForIds(config) && !ask.hidesUsage(config)) return null;
  const { message } = readError(proof.body, status);
  if (ask.asksForIds(config) && message.includes("return_token_ids")) return "return_token_ids";
  return ask.hidesUsage(config) && /stream_options|include_usage/.test(message)
    ? "stream_options"
    : null;
}

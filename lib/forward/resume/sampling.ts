// Options of a request that a continuation by token ids takes over as they are: the names of vLLM's
// sampling parameters, which all its APIs share.

import type { Json } from "../../json/json.ts";

const SAMPLING = [
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "seed",
  "presence_penalty",
  "frequency_penalty",
  "repetition_penalty",
  "logit_bias",
  "stop",
  "stop_token_ids",
  "include_stop_str_in_output",
  "ignore_eos",
  "bad_words",
  "spaces_between_special_tokens",
  "priority",
  "cache_salt",
  "vllm_xargs",
  "user",
];

export function samplingOf(request: Json): Json {
  const taken: Json = {};
  for (const name of SAMPLING) if (request[name] !== undefined) taken[name] = request[name];
  return taken;
}

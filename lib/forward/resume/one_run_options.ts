/** Options of a request that need the whole answer to come from one run of the model. */
export const ONE_RUN_OPTIONS = [
  "logprobs",
  "top_logprobs",
  "prompt_logprobs",
  "echo",
  "suffix",
  "use_beam_search",
  "guided_json",
  "guided_regex",
  "guided_choice",
  "guided_grammar",
  "guided_decoding_backend",
  "structured_outputs",
];

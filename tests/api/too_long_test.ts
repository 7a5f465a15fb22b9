// What an instance says to a prompt that is too long, and of which context it says so, in the words of vLLM,
// OpenAI, Anthropic, SGLang and others.

import { readError } from "../../lib/api/error.ts";
import { body, holds, vllm } from "./error_words.ts";

const TOO_LONG: [string, string, number | null][] = [
  [
    "vLLM 0.32, by its tokens",
    vllm(
      400,
      "BadRequestError",
      "This model's maximum context length is 4096 tokens. However, you requested 512 output tokens and " +
        "your prompt contains 5000 input tokens, for a total of 5512 tokens.",
      "input_tokens",
    ),
    4096,
  ],
  [
    "vLLM 0.32, by its characters",
    vllm(
      400,
      "BadRequestError",
      "This model's maximum context length is 2048 tokens. However, your prompt contains 900000 " +
        "characters (more than 32768 characters, which is the upper bound for 2047 input tokens).",
    ),
    2048,
  ],
  [
    "vLLM 0.32, more output than context",
    vllm(
      400,
      "BadRequestError",
      "max_tokens=9000 cannot be greater than max_model_len=max_total_tokens=4096. Please request fewer output tokens.",
    ),
    4096,
  ],
  [
    "vLLM's engine",
    vllm(
      400,
      "BadRequestError",
      "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that " +
        "`max_model_len` is no smaller than the number of text tokens.",
    ),
    4096,
  ],
  [
    "vLLM, the input alone",
    vllm(
      400,
      "BadRequestError",
      "Input length (9000) exceeds model's maximum context length (8192).",
    ),
    8192,
  ],
  [
    "vLLM of spring 2026",
    vllm(
      400,
      "BadRequestError",
      "You passed 4097 input tokens and requested 4096 output tokens. However, the model's context length " +
        "is only 8192 tokens, resulting in a maximum input length of 4096 tokens.",
    ),
    8192,
  ],
  [
    "vLLM before 0.10.1",
    JSON.stringify({
      object: "error",
      message:
        "'max_tokens' is too large: 8000. This model's maximum context length is 4096 tokens " +
        "and your request has 2778 input tokens (8000 > 4096 - 2778).",
      type: "BadRequestError",
      param: null,
      code: 400,
    }),
    4096,
  ],
  [
    "SGLang",
    JSON.stringify({
      object: "error",
      message:
        "The input (270000 tokens) is longer than the model's context length (262144 tokens).",
      type: "BadRequestError",
      param: null,
      code: 400,
    }),
    262144,
  ],
  [
    "llama.cpp",
    body({
      code: 400,
      message: "the request exceeds the available context size, try increasing it",
      type: "exceed_context_size_error",
      n_prompt_tokens: 9001,
      n_ctx: 4096,
    }),
    4096,
  ],
  [
    "TGI",
    JSON.stringify({
      error:
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
      error_type: "validation",
    }),
    4096,
  ],
  [
    "OpenAI",
    body({
      message: "Your input exceeds the context window of this model. Please adjust your input.",
      type: "invalid_request_error",
      param: "input",
      code: "context_length_exceeded",
    }),
    null,
  ],
  [
    "Anthropic",
    JSON.stringify({
      type: "error",
      error: {
        type: "invalid_request_error",
        message: "prompt is too long: 208310 tokens > 200000 maximum",
      },
    }),
    200000,
  ],
  [
    "Anthropic, with its output",
    JSON.stringify({
      type: "error",
      error: {
        type: "invalid_request_error",
        message:
          "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease it",
      },
    }),
    200000,
  ],
];

for (const [name, text, contextLength] of TOO_LONG) {
  Deno.test(`a prompt that is too long is told, and for which context: ${name}`, () => {
    for (const status of [400, null]) {
      holds(readError(text, status), {
        tooLong: true,
        contextLength,
        status: 400,
        clients: true,
        busy: false,
      });
    }
  });
}

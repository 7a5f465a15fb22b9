// Fields that clients of vLLM send, each of which the gateway passes as it came: asked for whole and streamed.

const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };
const tools = [{ type: "function", function: { name: "f", parameters: schema } }];
const text = (content: string) => [{ role: "user", content }];
const LONG = "word ".repeat(3000);

export const CHAT_FIELDS: readonly object[] = [
  { prompt_logprobs: 2 },
  { prompt_logprobs: -2 },
  { return_tokens_as_token_ids: true, logprobs: true, top_logprobs: 2 },
  { structured_outputs: { choice: ["yes", "no"] } },
  { structured_outputs: { regex: "[0-9]{3}" } },
  { structured_outputs: { regex: "(" } },
  { guided_choice: ["yes", "no"] },
  { response_format: { type: "json_object" } },
  { cache_salt: "" },
  { kv_transfer_params: { a: 1 } },
  { bad_words: ["the"] },
  { logit_bias: { "5": 100 } },
  { logit_bias: { "99999": 1 } },
  { stop: [" "], include_stop_str_in_output: true, max_tokens: 30 },
  { stop_token_ids: [5, 6] },
  { allowed_token_ids: [300, 301] },
  { vllm_xargs: { a: 1 } },
  { truncate_prompt_tokens: 5 },
  { skip_special_tokens: false },
  { use_beam_search: true, n: 2 },
  { n: 0 },
  { top_k: -1, min_p: 0.1, repetition_penalty: 1.2 },
  { top_p: 0 },
  { max_tokens: 0 },
  { max_tokens: null, max_completion_tokens: 5 },
  { logprobs: true, top_logprobs: 50 },
  { tools, tool_choice: "none" },
  { tools: [] },
  { tool_choice: "auto" },
  { tools, tool_choice: { type: "function", function: { name: "nope" } } },
  { messages: [{ role: "developer", content: "x" }, ...text("hi")] },
  { messages: text(LONG), max_tokens: undefined },
  { unknown_field: 1, user: "u", metadata: { a: "b" }, store: true, service_tier: "auto" },
  { add_generation_prompt: true, continue_final_message: true },
  { reasoning_effort: "low" },
  { thinking_token_budget: 5 },
  { return_prompt_text: true },
  { session_id: "s" },
  { model: "" },
];

export const COMPLETION_FIELDS: readonly object[] = [
  { echo: true },
  { echo: true, max_tokens: 0, logprobs: 1 },
  { logprobs: 3 },
  { prompt_logprobs: 1 },
  { prompt: [[1, 2], [3]] },
  { prompt: "" },
  { prompt: null },
  { prompt: [99_999] },
  { prompt: LONG },
  { min_tokens: 9 },
  { stop: ["e"], include_stop_str_in_output: true },
  { add_special_tokens: false },
];

export const RESPONSES_FIELDS: readonly object[] = [
  { input: [{ role: "user", content: "hi" }], instructions: "Be brief" },
  { text: { format: { type: "json_object" } } },
  { include: ["message.output_text.logprobs"], top_logprobs: 2 },
  { store: false },
  { background: true, store: false },
  { previous_response_id: "resp_nope" },
  { max_output_tokens: 0 },
  { input: LONG },
  { truncation: "auto" },
  { tools: [{ type: "web_search_preview" }] },
  { enable_response_messages: true },
];

export const MESSAGES_FIELDS: readonly object[] = [
  { system: [{ type: "text", text: "Be brief", cache_control: { type: "ephemeral" } }] },
  { tools: [{ name: "f", input_schema: schema }], tool_choice: { type: "none" } },
  { thinking: { type: "disabled" } },
  { thinking: { type: "enabled", budget_tokens: 1024 } },
  { stop_sequences: ["e"], max_tokens: 40 },
  { messages: [...text("hi"), { role: "assistant", content: "Hel" }] },
  { messages: [] },
  { messages: text(LONG) },
  { max_tokens: 0 },
  { temperature: 5 },
  { model: "" },
];

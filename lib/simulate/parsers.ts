// The reasoning parsers of vLLM that are simulated; what they do is in reasoning.ts.

export const REASONING_PARSERS = ["qwen3", "deepseek_r1"] as const;

export type ReasoningParserName = typeof REASONING_PARSERS[number];

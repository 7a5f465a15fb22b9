// Options of the policies that change requests: parameters, system prompts, the length of conversations,
// and what is written otherwise.

import { z } from "zod";
import { everyPolicy, message } from "./policy_common.ts";

const expose = z.boolean().default(false)
  .describe("Whether the client is told of it in x-gateway-policy: its name and action.");

const fields = (about: string) =>
  z.record(z.string().min(1), z.unknown()).default({}).describe(about);

export const parameters = z.strictObject({
  type: z.literal("parameters").describe("Defaults and bounds of what requests may set."),
  ...everyPolicy,
  default: fields("Fields for requests that do not have them, or have null."),
  maximum: z.record(z.string().min(1), z.number()).default({}).describe(
    "Greatest values. `max_tokens` stands for each of its names, and holds also where it is left out.",
  ),
  set: fields("Fields that are so whatever the request says; objects are merged."),
  forbid: z.array(z.string().min(1)).default([]).describe("Fields that requests may not have."),
  over: z.enum(["clamp", "reject"]).default("clamp").describe(
    "A value above its maximum becomes the maximum, a forbidden field is left out; or a 400 names it.",
  ),
  message,
  expose,
});

export const systemPrompt = z.strictObject({
  type: z.literal("system_prompt").describe("The house's own words to the model."),
  ...everyPolicy,
  text: z.string().min(1).optional()
    .describe("The words; {{model}}, {{key}}, {{group}}, {{date}} and {{time}} are filled in."),
  text_file: z.string().min(1).optional().describe("A file with them. Watched."),
  place: z.enum(["before", "after", "replace"]).default("before")
    .describe("Before or behind the client's own system prompt, or in its place."),
  expose,
});

export const context = z.strictObject({
  type: z.literal("context").describe("Longest prompt, with the answer that is asked for."),
  ...everyPolicy,
  max_tokens: z.int().positive().nullable().default(null).describe(
    "Tokens of prompt and answer; null for as many as an instance takes, which is the bound anyway.",
  ),
  over: z.enum(["reject", "truncate", "compact"]).default("reject").describe(
    "reject: a 400 in vLLM's words. truncate: the oldest turns go. compact: a model sums them up.",
  ),
  keep: z.array(z.enum(["system", "last_turn"])).default(["system", "last_turn"]).describe(
    "What stays. Without last_turn its oldest tool calls may go, with their results; its question stays.",
  ),
  down_to: z.number().min(0.1).max(0.95).default(0.75).describe(
    "Share of the limit that a conversation is cut down to, so that its beginning stays the same a while.",
  ),
  model: z.string().min(1).optional().describe(
    "With compact: the model of this gateway that sums up.",
  ),
  timeout: z.number().positive().max(300).default(20)
    .describe("With compact: seconds for a summary; without one the turns are left out."),
  expose,
});

export const rewrite = z.strictObject({
  type: z.literal("rewrite").describe("What is written otherwise before it is sent."),
  ...everyPolicy,
  rename: z.record(z.string().min(1), z.string().min(1)).default({})
    .describe("Models by the names that clients use for them."),
  drop: z.array(z.string().min(1)).default([]).describe("Fields that are left out."),
  collapse_whitespace: z.boolean().default(false).describe(
    "Runs of blanks and empty lines of messages become one, but not within code.",
  ),
  expose,
});

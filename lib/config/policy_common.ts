// What every policy can say, whatever it does: its name, whom it is for, and whether it acts or watches.

import { z } from "zod";

/** A name, or the beginning of one and a `*`. */
const names = (of: string) =>
  z.array(z.string().min(1)).default([]).describe(
    `${of}, or beginnings with a \`*\`; none for all.`,
  );

/** Options of every policy. */
export const everyPolicy = {
  name: z.string().regex(/^[\w.@+-]{1,64}$/, "letters, digits and . _ @ + - only, at most 64")
    .describe("Unique; it stands in every trace of the policy."),
  mode: z.enum(["enforce", "audit"]).default("enforce")
    .describe("audit changes nothing, and counts what would have been done."),
  models: names("Models that it is for"),
  keys: names("Keys that it is for"),
  groups: names("Groups of keys that it is for"),
  routes: z.array(z.string().regex(/^\/[\x21-\x7e]*$/, "expected a path such as /v1/messages"))
    .default([]).describe("Paths that it is for; none for all."),
};

/** Which way it looks, where it can look both ways. */
export const onWhat = z.enum(["prompt", "answer", "both"])
  .describe("Whether it looks at what is asked, at what is answered, or at both.");

/** The parts of a conversation that a policy can look at. */
export const CHANNELS = [
  "content",
  "reasoning",
  "tool_arguments",
  "system",
  "tool_results",
  "tool_definitions",
] as const;
export type PolicyChannel = typeof CHANNELS[number];

export const channels = z.array(z.enum(CHANNELS)).optional().describe(
  "What it looks at; else all that is said (content, reasoning, tool_arguments, system, tool_results).",
);

/** What is told the client in place of what it may not have. */
export const message = z.string().min(1).max(2000).optional()
  .describe("What the client is told. Never the words that were found.");

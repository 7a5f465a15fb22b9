// The policies of a configuration: what kinds there are, and what a snapshot holds of them. A new kind is
// its options in a file beside this one and its line in the list; what it does is in lib/policy/.

import { z } from "zod";
import { moderation, plugin, webhook } from "./policies_guard.ts";
import { context, parameters, rewrite, systemPrompt } from "./policies_prompt.ts";
import { patterns, pii, secrets, words } from "./policies_text.ts";

const KINDS = [
  words,
  patterns,
  pii,
  secrets,
  parameters,
  systemPrompt,
  context,
  rewrite,
  moderation,
  webhook,
  plugin,
] as const;

export const policyOptions = z.discriminatedUnion("type", [...KINDS], {
  error: ({ code }) =>
    code === "invalid_union"
      ? `expected one of ${KINDS.map(({ shape }) => shape.type.value).join(", ")}`
      : undefined,
});

export type PolicyOptions = z.output<typeof policyOptions>;

/** One policy of a snapshot. */
export interface PolicyConfig<Options extends PolicyOptions = PolicyOptions> {
  /** As the file has them, checked. */
  readonly options: Options;
  /** Texts of the files that it names, by the option that names them. */
  readonly files: Readonly<Record<string, string>>;
}

/** Options of a policy that name a file beside the configuration. */
export const FILE_OPTIONS = ["file", "text_file"] as const;

/** Kinds that act on what is usual: that they do says nothing of who asked. */
const HOUSEKEEPING: ReadonlySet<PolicyOptions["type"]> = new Set([
  "parameters",
  "system_prompt",
  "context",
  "rewrite",
]);

/** Whether such a policy looks for what should not be said. */
export function looksForSomething({ type }: Pick<PolicyOptions, "type">): boolean {
  return !HOUSEKEEPING.has(type);
}

/** Options of one kind. */
export type OptionsOf<Type extends PolicyOptions["type"]> = Extract<PolicyOptions, { type: Type }>;

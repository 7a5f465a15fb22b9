// `plugin`: the types to write plugins against, and a try of one.

import { command } from "./command/command.ts";
import { optional, toggle } from "./command/flag.ts";
import { text, whole } from "./command/kind.ts";

export const plugin = command({
  name: "plugin",
  summary: "prints the types of plugins, and tries one on a text",
  flags: {
    types: toggle("print the types, for a file policy.d.ts beside the plugins"),
    text: optional(text("TEXT"), "text that it looks at, as a user's question"),
    answer: toggle("the text is an answer's, not a question's"),
    model: optional(text("NAME"), "model that is asked"),
    timeout: optional(whole("MS", 1, 10_000), "milliseconds for one call; 1000 without it"),
  },
  operands: { placeholder: "[FILE]" },
  details:
    `FILE is loaded into the sandbox that it would run in, and called with an empty text, or with
--text. Exits with 0 and the verdict, or with 1 and what is wrong.`,
  examples: [
    "simple-ai-gateway plugin --types > policies/policy.d.ts",
    "simple-ai-gateway plugin policies/own.ts --text 'The answer is 42'",
  ],
}, async ({ values, operands }) => {
  if (values.types) {
    const { POLICY_TYPES } = await import("../policy/plugin/types.ts");
    console.log(POLICY_TYPES.trimEnd());
    return 0;
  }
  const [file] = operands;
  if (file === undefined) {
    console.error("expected FILE or --types\nSee simple-ai-gateway plugin --help.");
    return 2;
  }
  const { tryPlugin } = await import("./policies/try_plugin.ts");
  return await tryPlugin(file, {
    stage: values.answer ? "answer" : "prompt",
    text: values.text ?? "",
    model: values.model ?? "",
    timeoutMs: values.timeout ?? 1000,
  });
});

// `limits reset`: the limits of a key, a group or a model are as if nothing had been used, or a budget is.

import { type Command, command } from "./command/command.ts";
import { optional, withDefault } from "./command/flag.ts";
import { oneOf, text } from "./command/kind.ts";
import { UsageError } from "./command/read.ts";
import { resetLimits } from "./limits/reset.ts";

export const limits: Command = command({
  name: "limits",
  summary: "fills the limits of a key up again, in a running gateway",
  flags: {
    of: withDefault(oneOf("KIND", ["key", "group", "model"]), "key", "what NAME is the name of"),
    budget: optional(
      oneOf("PERIOD", ["day", "month", "total"]),
      "the budget for this period begins anew, in place of the limits",
    ),
    url: withDefault(text("URL"), "http://127.0.0.1:9999", "address of the gateway"),
    token: optional(
      text("TOKEN"),
      "admin.token of its configuration; ADMIN_TOKEN in the environment is taken where this is missing",
    ),
  },
  operands: { placeholder: "reset NAME", words: ["reset"] },
  details:
    `Requests and tokens a minute can be used anew at once. Budgets stay as they are, but for the one
that --budget names; what was used stays in \`keys usage\` in any case.`,
  examples: [
    "simple-ai-gateway limits reset web",
    "simple-ai-gateway limits reset search --of group",
    "simple-ai-gateway limits reset web --budget month",
  ],
}, async ({ values, operands: [word, name, ...more] }) => {
  if (word !== "reset" || name === undefined || more.length > 0) {
    throw new UsageError("expected `reset` and one NAME");
  }
  const token = values.token ?? Deno.env.get("ADMIN_TOKEN");
  try {
    await resetLimits(values.url, token, { kind: values.of, name, budget: values.budget });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
  console.error(
    values.budget === undefined
      ? `the limits of ${values.of} ${name} are full again`
      : `the budget of ${values.of} ${name} for ${values.budget} begins anew`,
  );
  return 0;
});

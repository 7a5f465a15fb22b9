// `ask`: has a running gateway ask one of its instances now, and says what came of it.

import { command } from "./command/command.ts";
import { toggle } from "./command/flag.ts";
import { UsageError } from "./command/read.ts";
import { gatewayFlags, gatewayOf } from "./gateway_flags.ts";

export const ask = command({
  name: "ask",
  summary: "has a running gateway ask an instance now whether it lives and serves",
  about:
    `Asks for the instance's health, its models and one token, by the gateway's own way and key, whatever
the gateway holds it for. Nothing is counted for it or against it.`,
  flags: { ...gatewayFlags, json: toggle("what came of it as one JSON object") },
  operands: { placeholder: "NAME", words: [] },
  details:
    "Exits with 0 when it can be used, 2 when it cannot, 1 when the gateway refuses or does not answer.",
  examples: ["simple-ai-gateway ask gpu-1"],
}, async ({ values, operands: [name, ...more] }) => {
  if (name === undefined || more.length > 0) {
    throw new UsageError("expected one NAME, as `simple-ai-gateway status` shows it");
  }
  const { askInstanceNow } = await import("./ask/now.ts");
  return await askInstanceNow(gatewayOf(values), name, values.json);
});

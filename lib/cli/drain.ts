// `drain` and `undrain`: takes an instance of a running gateway out of service, and puts it back.

import { command } from "./command/command.ts";
import { toggle } from "./command/flag.ts";
import { UsageError } from "./command/read.ts";
import { gatewayFlags, gatewayOf } from "./gateway_flags.ts";

const NAME = { placeholder: "NAME", words: [] };

export const drain = command({
  name: "drain",
  summary: "takes an instance of a running gateway out of service",
  about:
    `The instance gets no new requests until it is undrained, however often the configuration is saved
or the gateway is started anew. What runs there finishes.`,
  flags: {
    wait: toggle("return when nothing runs there any more"),
    move: toggle("what runs there goes on elsewhere at once, as after a crash, unseen by clients"),
    ...gatewayFlags,
  },
  operands: NAME,
  details:
    `Exits with 0 when it is done, 1 when the gateway refuses or does not answer. What cannot be moved
finishes where it is; it says how many those are.`,
  examples: ["simple-ai-gateway drain gpu-1 --wait", "simple-ai-gateway drain gpu-1 --move --wait"],
}, async ({ values, operands }) => {
  const name = onlyName(operands);
  const { drainInstance } = await import("./drain/act.ts");
  return await drainInstance(gatewayOf(values), name, values);
});

export const undrain = command({
  name: "undrain",
  summary: "puts a drained instance back into service",
  flags: gatewayFlags,
  operands: NAME,
  examples: ["simple-ai-gateway undrain gpu-1"],
}, async ({ values, operands }) => {
  const name = onlyName(operands);
  const { undrainInstance } = await import("./drain/act.ts");
  return await undrainInstance(gatewayOf(values), name);
});

function onlyName([name, ...more]: readonly string[]): string {
  if (name === undefined || more.length > 0) {
    throw new UsageError("expected one NAME, as `simple-ai-gateway status` shows it");
  }
  return name;
}

// What `ask` does: a question to the gateway, and its answer in words.

import { wordsOf } from "../../dashboard/pages/words.js";
import { probeWords } from "../../dashboard/pages/words_outlook.js";
import type { ProbeView } from "../../dashboard/source.ts";
import { askGateway, type GatewayPlace } from "../ask_gateway.ts";
import { having, isFlag, isNumber, isText, listOf, optional, orNull } from "../../json/shape.ts";
import { printable } from "../printable.ts";

/** Longer than the gateway waits for an instance. */
const TIMEOUT_MS = 60_000;

/** Resolves to the exit code. */
export async function askInstanceNow(
  gateway: GatewayPlace,
  name: string,
  json: boolean,
): Promise<number> {
  let found: ProbeView;
  try {
    found = await askGateway(gateway, "ask", isProbe, { instance: name }, TIMEOUT_MS);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
  if (json) console.log(JSON.stringify(found, null, 2));
  else {
    const lasting = (ms: number) => ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
    for (const line of probeWords(wordsOf("en"), found, lasting)) console.log(printable(line, " "));
  }
  return found.ok ? 0 : 2;
}

/** Whether all is there that is put into words. */
const isProbe = having({
  ...{ ok: isFlag, instance: isText, state: isText, verdict: isText },
  steps: listOf(having({
    ...{ ms: isNumber, asked: isText, outcome: isText, detail: isText },
    status: optional(orNull(isNumber)),
  })),
});

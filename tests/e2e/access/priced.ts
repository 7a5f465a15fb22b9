// An instance whose answers cost the same each time, a gateway that prices them, and requests to it.

import assert from "node:assert/strict";
import type { GatewayProcess } from "../../support/processes.ts";
import { completion, startUpstream, type Upstream } from "../../support/upstream.ts";
import { ASK, bearer, type TestKey } from "./keyed.ts";

/** Each answer: 3 tokens of prompt, 2 of answer. */
export function answering(): Upstream {
  return startUpstream(() => completion("hello"));
}

export function configOf(upstream: Upstream, keys: TestKey[], dataDir: string, more: object = {}) {
  return {
    instances: [{ url: upstream.url, model_name: "m" }],
    health_check: false,
    data_dir: dataDir,
    keys: keys.map(({ line }) => line),
    // 0.04 a request.
    limits: { prices: { "m*": { prompt: 10_000, completion: 5_000 } } },
    ...more,
  };
}

export async function ask(gateway: GatewayProcess, { key }: TestKey): Promise<Response> {
  return await gateway.post("/v1/chat/completions", ASK, bearer(key));
}

export async function askTimes(
  gateway: GatewayProcess,
  key: TestKey,
  times: number,
): Promise<void> {
  for (let n = 0; n < times; n++) {
    const answer = await ask(gateway, key);
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
  }
}

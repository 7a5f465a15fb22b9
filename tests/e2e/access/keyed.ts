// What the tests of access have in common: keys, and gateways that ask for them.

import { hashOfKey, newKey } from "../../../lib/caller/key.ts";
import { type GatewayConfig, type GatewayProcess, startGateway } from "../../support/processes.ts";
import { completion, startUpstream, type Upstream } from "../../support/upstream.ts";

/** A key and its line in a configuration. */
export interface TestKey {
  readonly key: string;
  readonly line: Record<string, unknown>;
}

export function makeKey(name: string, more: Record<string, unknown> = {}): TestKey {
  const key = newKey();
  return { key, line: { name, hash: `sha256:${hashOfKey(key)}`, ...more } };
}

export function keyedGateway(
  upstream: Upstream,
  keys: readonly TestKey[],
  more: GatewayConfig = {},
) {
  return startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: ["m", "other"] }],
      health_check: false,
      keys: keys.map(({ line }) => line),
      ...more,
    },
  });
}

/** An upstream whose answers wait until they are let go. */
export function heldUpstream(answer = () => completion("hi")) {
  const held: (() => void)[] = [];
  const upstream = startUpstream(async () => {
    await new Promise<void>((resolve) => held.push(resolve));
    return answer();
  });
  return { upstream, held };
}

export function bearer(key: string): { headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${key}` } };
}

export const ASK = { model: "m", messages: [{ role: "user", content: "hello" }] };

/** The `error` object of an answer in OpenAI's shape. */
export async function errorOf(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()).error;
}

/** What /v1/responses answers that keeps its answers. */
export function storedResponse(id: string) {
  return {
    id,
    object: "response",
    created_at: 1,
    status: "completed",
    model: "m",
    output: [{
      type: "message",
      id: "msg_1",
      role: "assistant",
      status: "completed",
      content: [{ type: "output_text", text: "hi", annotations: [] }],
    }],
    usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
  };
}

export function ask(
  gateway: GatewayProcess,
  { key }: TestKey,
  more: object = {},
  init: RequestInit = {},
) {
  return gateway.post("/v1/chat/completions", { ...ASK, ...more }, { ...init, ...bearer(key) });
}

export async function statusOf(answer: Promise<Response>): Promise<number> {
  const response = await answer;
  await response.body?.cancel();
  return response.status;
}

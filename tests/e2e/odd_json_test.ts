// One client's odd JSON, small enough to be allowed, is nobody else's trouble: not while it is read,
// and not while it is recorded.

import assert from "node:assert/strict";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { recordsOf } from "../support/records.ts";
import { completion, startUpstream } from "../support/upstream.ts";

/** Work in one go that others would notice: parsing the first of these takes more. */
const LONG_MS = 200;

const bodies: Record<string, () => string> = {
  values: () => `{"model":"m","messages":[],"x":[${"{},".repeat(2_000_000)}{}]}`,
  keys: () => `{"model":"m",${Array.from({ length: 300_000 }, (_, at) => `"k${at}":1`).join()}}`,
  tools: () => `{"model":"m","messages":[],"tools":[${'{"function":{}},'.repeat(100_000)}{}]}`,
  quotes: () => `{"model":"m","messages":[{"role":"user","content":"${'\\"'.repeat(4e6)}"}]}`,
};

/** Another client of the gateway, which asks on and on. */
class OtherClient implements Disposable {
  readonly #worker = new Worker(new URL("./other_client_main.ts", import.meta.url), {
    type: "module",
  });

  constructor({ url, pid }: GatewayProcess) {
    this.#worker.postMessage({ url, pid });
  }

  /** What the gateway has worked at most during one of its waits since the last time, in milliseconds. */
  most(): Promise<number> {
    return new Promise((resolve) => {
      this.#worker.onmessage = ({ data }) => resolve(data);
      this.#worker.postMessage({});
    });
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

Deno.test("millions of values, keys, tools or quotes in one request keep no other client waiting", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  await using gateway = await startGateway({
    config: { instances: [{ url: upstream.url, model_name: "m" }] },
  });
  using other = new OtherClient(gateway);
  let recorded = 0;
  for (const [name, make] of Object.entries(bodies)) {
    const body = make();
    await other.most();
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    assert.equal(response.status, 200, await response.text());
    // Values without end are not parsed, and no conversation to train on.
    if (name === "values") await recordsOf(gateway, 1, "incomplete");
    else await recordsOf(gateway, ++recorded);
    const most = await other.most();
    assert.ok(most < LONG_MS, `${name}: another client waited for ${most} ms of work`);
  }
});

Deno.test("a model's name of eight megabytes is quoted by its begin", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  await using gateway = await startGateway({
    config: { instances: [{ url: upstream.url, model_name: "m" }] },
  });
  const model = "long".repeat(2_000_000);
  const response = await gateway.post("/v1/chat/completions", { model, messages: [] });
  const text = await response.text();
  assert.equal(response.status, 404);
  assert.ok(text.length < 1000, `${text.length} bytes`);
  assert.match(text, /The model `longlong[a-z]+…` does not exist/);
  await gateway.stop();
  assert.match(gateway.output(), / status=404 /);
  assert.ok(gateway.output().length < 10_000);
});

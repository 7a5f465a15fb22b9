// One client's odd JSON, small enough to be allowed, is nobody else's trouble: not while it is read,
// and not while it is recorded.

import assert from "node:assert/strict";
import { completion, recordsOf, startGateway, startUpstream } from "./stand.ts";

const bodies: Record<string, () => string> = {
  values: () => `{"model":"m","messages":[],"x":[${"{},".repeat(4_000_000)}{}]}`,
  keys: () => `{"model":"m",${Array.from({ length: 800_000 }, (_, at) => `"k${at}":1`).join()}}`,
  tools: () => `{"model":"m","messages":[],"tools":[${'{"function":{}},'.repeat(300_000)}{}]}`,
  quotes: () => `{"model":"m","messages":[{"role":"user","content":"${'\\"'.repeat(8e6)}"}]}`,
};

Deno.test("millions of values, keys, tools or quotes in one request keep no other client waiting", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  await using gateway = await startGateway({ instances: [{ url: upstream.url, model_name: "m" }] });
  for (const [index, [name, make]] of Object.entries(bodies).entries()) {
    const body = new TextEncoder().encode(make());
    let over = false;
    const answered = (async () => {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      assert.equal(response.status, 200, await response.text());
      // Values without end are not parsed, and no conversation to train on.
      const incomplete = name === "values" ? 1 : 0;
      await recordsOf(gateway, incomplete ? 1 : index, incomplete ? "incomplete" : undefined);
    })().finally(() => over = true);
    let longest = 0;
    while (!over) {
      const asked = performance.now();
      await (await fetch(`${gateway.url}/health`)).body?.cancel();
      longest = Math.max(longest, performance.now() - asked);
    }
    await answered;
    // What it took before was seconds; a loaded machine is no reason to fail.
    assert.ok(longest < 1000, `${name}: another client waited for ${Math.round(longest)} ms`);
  }
});

Deno.test("a model's name of eight megabytes is quoted by its begin", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  await using gateway = await startGateway({ instances: [{ url: upstream.url, model_name: "m" }] });
  const model = "long".repeat(2_000_000);
  const response = await gateway.post("/v1/chat/completions", { model, messages: [] });
  const text = await response.text();
  assert.equal(response.status, 404);
  assert.ok(text.length < 1000, `${text.length} bytes`);
  assert.match(text, /The model `longlong[a-z]+…` does not exist/);
  assert.ok(gateway.log().length < 10_000);
});

// One client's odd JSON, small enough to be allowed, is nobody else's trouble: not while it is read,
// and not while it is recorded.

import assert from "node:assert/strict";
import { startGateway } from "../support/processes.ts";
import { recordsOf } from "../support/records.ts";
import { completion, startUpstream } from "../support/upstream.ts";

const bodies: Record<string, () => string> = {
  values: () => `{"model":"m","messages":[],"x":[${"{},".repeat(2_000_000)}{}]}`,
  keys: () => `{"model":"m",${Array.from({ length: 300_000 }, (_, at) => `"k${at}":1`).join()}}`,
  tools: () => `{"model":"m","messages":[],"tools":[${'{"function":{}},'.repeat(100_000)}{}]}`,
  quotes: () => `{"model":"m","messages":[{"role":"user","content":"${'\\"'.repeat(4e6)}"}]}`,
};

/** Another client, in an isolate of its own: what this one is busy with is not the gateway's doing. */
class OtherClient implements Disposable {
  readonly #worker: Worker;

  constructor(url: string) {
    const code = `
      let longest = 0;
      onmessage = () => {
        postMessage(longest);
        longest = 0;
      };
      for (;;) {
        const asked = performance.now();
        await (await fetch(${JSON.stringify(`${url}/health`)})).text();
        longest = Math.max(longest, performance.now() - asked);
        // Not so often that the gateway has nothing else to do.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }`;
    const module = `data:text/javascript,${encodeURIComponent(code)}`;
    this.#worker = new Worker(module, { type: "module" });
  }

  /** Its longest wait since the last time, in milliseconds. */
  longest(): Promise<number> {
    return new Promise((resolve) => {
      this.#worker.onmessage = ({ data }) => resolve(data);
      this.#worker.postMessage(null);
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
  using other = new OtherClient(gateway.url);
  let recorded = 0;
  for (const [name, make] of Object.entries(bodies)) {
    const body = make();
    const said: string[] = [];
    // A machine that stands still does so once; a gateway that does, each time.
    for (let tries = 1; tries <= 3; tries++) {
      await other.longest();
      const begun = performance.now();
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      assert.equal(response.status, 200, await response.text());
      // Values without end are not parsed, and no conversation to train on.
      if (name === "values") await recordsOf(gateway, tries, "incomplete");
      else await recordsOf(gateway, ++recorded);
      const longest = await other.longest();
      const took = performance.now() - begun;
      // A gateway that stands still does so nearly all the time that it takes; where the machine is
      // loaded, everything takes longer.
      if (longest < Math.max(1000, took / 3)) break;
      said.push(`waited for ${Math.round(longest)} of ${Math.round(took)} ms`);
    }
    assert.ok(said.length < 3, `${name}: another client ${said.join(", ")}`);
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

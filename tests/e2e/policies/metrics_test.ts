// What policies do is counted: looks, finds, times and waits, by names alone.

import assert from "node:assert/strict";
import { waitFor } from "../../support/wait.ts";
import { startGateway } from "../../support/processes.ts";
import { chunk, sse, startUpstream } from "../../support/upstream.ts";

const QUESTION = { model: "m", messages: [{ role: "user", content: "hi" }] };

Deno.test("2.10: looks, finds, times and waits are counted, by the policies' names", async () => {
  const events = ["A pass", "word", " is said."].map((content) => chunk({ content }));
  await using upstream = startUpstream(() => sse([...events, chunk({}, "stop"), "[DONE]"]));
  await using hook = startUpstream(() => Response.json("pass"));
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      policies: [
        { name: "w", type: "words", words: ["password"], on: "answer", action: "mask" },
        { name: "h", type: "webhook", url: hook.url, on: "prompt", timeout: 10 },
        { name: "other", type: "words", words: ["x"], action: "flag", models: ["n"] },
      ],
    },
  });
  const response = await gateway.post("/v1/chat/completions", { ...QUESTION, stream: true });
  assert.match(await response.text(), /\*{4}/);
  let text = "";
  const lines = () => text.split("\n").filter((line) => line.startsWith("gateway_policy_"));
  await waitFor(
    async () => {
      text = await (await fetch(`${gateway.url}/metrics`)).text();
      return text.includes('gateway_policy_checks_total{policy="w"');
    },
    () => text,
  );
  const value = (name: string) => lines().find((line) => line.startsWith(name))?.split(" ").at(-1);
  assert.equal(value('gateway_policy_checks_total{policy="w",stage="answer"}'), "1");
  assert.equal(value('gateway_policy_checks_total{policy="h",stage="prompt"}'), "1");
  assert.equal(
    value('gateway_policy_hits_total{policy="w",stage="answer",mode="enforce",action="mask"}'),
    "1",
  );
  assert.equal(value('gateway_policy_duration_seconds_count{policy="h"}'), "1");
  assert.equal(value("gateway_policy_held_seconds_count"), "1", "`pass` waited for what comes");
  assert.deepEqual(lines().filter((line) => /other|password/.test(line)), []);
});

Deno.test("2.10: without policies nothing of them is counted", async () => {
  await using upstream = startUpstream(() => sse([chunk({ content: "a" }, "stop"), "[DONE]"]));
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
    },
  });
  await (await gateway.post("/v1/chat/completions", { ...QUESTION, stream: true })).text();
  let text = "";
  await waitFor(
    async () => {
      text = await (await fetch(`${gateway.url}/metrics`)).text();
      return /^gateway_requests_total\{.*\} 1$/m.test(text);
    },
    () => text,
  );
  assert.deepEqual(text.split("\n").filter((line) => line.startsWith("gateway_policy_")), []);
});

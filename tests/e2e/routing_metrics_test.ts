// What routing decided, and what an autoscaler asks for, as /metrics has it.

import assert from "node:assert/strict";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { load, startTelling } from "./telling_vllm.ts";

const PROMPT = "word ".repeat(800);

async function ask(gateway: GatewayProcess, text: string): Promise<void> {
  const messages = [{ role: "user", content: text }];
  const answer = await gateway.post("/v1/chat/completions", { model: "m", messages });
  assert.equal(answer.status, 200, await answer.text());
}

/** Values by name and labels, as they stand there. */
async function metrics(gateway: GatewayProcess): Promise<Map<string, number>> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  return new Map(
    text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

Deno.test("decisions are counted by instance and why, tokens by whether they should be cached", async () => {
  await using a = startTelling("a");
  await using gateway = await startGateway({
    config: {
      instances: [
        { url: a.url, model_name: "m", name: "a" },
        { url: `${a.url}/b`, model_name: "m", name: "off", weight: 0 },
      ],
      load_balancing_strategy: "prefix_aware",
      scrape: { interval: 0.05 },
      health_check: false,
    },
  });
  await ask(gateway, PROMPT);
  await ask(gateway, PROMPT);
  let found = new Map<string, number>();
  // A lease ends behind the answer, and the metrics are looked at in between.
  await waitFor(async () => {
    found = await metrics(gateway);
    return found.get('gateway_instance_pending_tokens{instance="a"}') === 0 &&
      found.get('gateway_routing_decisions_total{instance="a",reason="only"}') === 2 &&
      found.has('gateway_instance_scrape_age_seconds{instance="a"}');
  }, () => `two decisions, nothing pending, a look: ${JSON.stringify([...found])}`);
  const tokens = (kind: string) =>
    found.get(`gateway_routing_prompt_tokens_total{instance="a",kind="${kind}"}`)!;
  assert.ok(tokens("matched") > 800 && tokens("uncached") > 800, `${tokens("matched")}`);
  assert.ok(tokens("matched") <= tokens("uncached"));
  assert.ok(found.get('gateway_routing_index_chunks{instance="a"}')! >= 7);
});

Deno.test("a model whose instances are full wants more of them, an idle one the least", async () => {
  await using a = startTelling("a");
  await using b = startTelling("b");
  const wanted = 'gateway_model_wanted_instances{model="m"}';
  await using gateway = await startGateway({
    config: {
      instances: [a, b].map(({ url }, n) => ({ url, model_name: "m", name: "ab"[n] })),
      load_balancing_strategy: "prefix_aware",
      scrape: { interval: 0.05 },
      health_check: false,
    },
  });
  await waitFor(async () => (await metrics(gateway)).get(wanted) === 1, "one for an idle model");
  for (const one of [a, b]) {
    one.metrics = () =>
      load({ running: 30, more: 'vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.98\n' });
  }
  let found = new Map<string, number>();
  // One says so before the other; what one full instance wants is not what two want.
  await waitFor(async () => {
    found = await metrics(gateway);
    return found.get(wanted) === 3 &&
      ["a", "b"].every((name) => found.get(`gateway_instance_running{instance="${name}"}`) === 30);
  }, () => `three for two full ones: ${JSON.stringify([...found])}`);
  assert.equal(found.get('gateway_model_instances{model="m"}'), 2);
  assert.ok(Math.abs(found.get('gateway_model_saturation{model="m"}')! - 0.98) < 1e-9);
});

Deno.test("where the strategy looks at no prompts there are none of these", async () => {
  await using a = startTelling("a");
  await using gateway = await startGateway({
    config: { instances: [{ url: a.url, model_name: "m" }] },
  });
  await ask(gateway, PROMPT);
  let names: string[] = [];
  // A worker tells of its requests in batches.
  await waitFor(async () => {
    names = [...(await metrics(gateway)).keys()];
    return names.some((name) => name.startsWith("gateway_requests_total"));
  }, "the request to be counted");
  assert.ok(names.every((name) => !name.startsWith("gateway_routing_")));
});

// Discovery by Consul: blocking queries, an agent that refuses, another leader.

import assert from "node:assert/strict";
import { ConsulApi } from "../support/consul_api.ts";
import { waitFor } from "../support/wait.ts";
import { Heard } from "./heard.ts";

Deno.test("passing instances count, and news comes as it happens", async () => {
  await using consul = new ConsulApi();
  consul.set(
    { id: "vllm-1", address: "10.0.0.1", port: 8000 },
    { id: "vllm-2", address: "10.0.0.2", port: 8000, passing: false },
    { id: "vllm-3", address: "", port: 8001 },
  );
  await using heard = new Heard({ type: "consul", url: consul.url, service: "vllm" });
  await heard.counts("10.0.0.1:8000", "10.0.9.9:8001");
  await waitFor(() => consul.waiting === 1, "the blocking query");
  consul.set(
    { id: "vllm-1", address: "10.0.0.1", port: 8000, weight: 1, meta: { model_name: "a,b" } },
    { id: "vllm-2", address: "10.0.0.2", port: 8000, weight: 3 },
  );
  await heard.counts("10.0.0.1:8000", "10.0.0.2:8000");
  assert.deepEqual(heard.targets.at(-1), [
    { host: "10.0.0.1", port: 8000, share: 1, models: ["a", "b"], name: "vllm-1" },
    { host: "10.0.0.2", port: 8000, share: 3, name: "vllm-2" },
  ]);
  const [first, second] = consul.asked;
  assert.equal(first.query.get("passing"), "1");
  assert.equal(second.query.get("index"), "11");
});

Deno.test("an index that goes back is not waited on", async () => {
  await using consul = new ConsulApi();
  consul.set({ id: "vllm-1", address: "10.0.0.1", port: 8000 });
  await using heard = new Heard({ type: "consul", url: consul.url, service: "vllm" });
  await heard.counts("10.0.0.1:8000");
  await waitFor(() => consul.waiting === 1, "the blocking query");
  consul.elect({ id: "vllm-2", address: "10.0.0.2", port: 8000 });
  await heard.counts("10.0.0.2:8000");
  await waitFor(() => consul.waiting === 1, "the blocking query");
  consul.set({ id: "vllm-3", address: "10.0.0.3", port: 8000 });
  await heard.counts("10.0.0.3:8000");
});

Deno.test("the token goes along, and a refusal keeps what was found", async () => {
  await using consul = new ConsulApi();
  consul.token = "secret-1";
  consul.set({ id: "vllm-1", address: "10.0.0.1", port: 8000 });
  const options = { type: "consul", url: consul.url, service: "vllm", token: "secret-1" };
  await using heard = new Heard({ ...options, tag: "gpu", datacenter: "dc2" });
  await heard.counts("10.0.0.1:8000");
  assert.equal(consul.asked[0].query.get("tag"), "gpu");
  assert.equal(consul.asked[0].query.get("dc"), "dc2");
  await waitFor(() => consul.waiting === 1, "the blocking query");
  consul.token = "secret-2";
  consul.set();
  await heard.fails(/it answers 403: ACL not found/);
  assert.equal(heard.state.found, 1);
});

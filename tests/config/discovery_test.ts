// The options of discovery: what may be said, and what is wrong in words that help.

import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";

function load(discovery: unknown[], more: Record<string, unknown> = {}) {
  return loadConfig("c.jsonc", JSON.stringify({ discovery, ...more }), () => undefined);
}

function problems(...discovery: unknown[]): string[] {
  const loaded = load(discovery);
  return loaded.ok ? [] : loaded.problems.map(({ message }) => message);
}

Deno.test("a configuration needs no instance where it says where to look for them", () => {
  const loaded = load([{ type: "dns", name: "vllm.internal", port: 8000, model_name: "m" }]);
  assert.ok(loaded.ok);
  const [{ name, place, port, found, keepEmptyS }] = loaded.config.discovery;
  assert.deepEqual(
    { name, place, port, models: found.models, keepEmptyS },
    {
      name: "dns vllm.internal",
      place: { type: "dns", name: "vllm.internal", srv: false, family: "auto", server: null },
      ...{ port: 8000, models: ["m"], keepEmptyS: 300 },
    },
  );
});

Deno.test("each form takes what an instance takes", () => {
  const options = {
    ...{ model_name: ["a", "b"], upstream_model: { a: "A" }, api_key: "k", weight: 2 },
    ...{ max_concurrency: 8, max_context: 4096, timeouts: { idle: 7 } },
  };
  const loaded = load([
    { type: "dns", name: "_vllm._tcp.internal", srv: true, server: "[fd00::1]:8600", ...options },
    { type: "file", path: "targets.json", ...options },
    { type: "kubernetes", service: "vllm", ...options },
    { type: "consul", service: "vllm", ...options },
  ]);
  assert.ok(loaded.ok);
  for (const { found } of loaded.config.discovery) {
    assert.equal(found.apiKey, "k");
    assert.deepEqual(found.upstreamModels, { a: "A" });
    assert.equal(found.maxConcurrency, 8);
    assert.equal(found.timeouts.idleS, 7);
  }
  const [{ place }] = loaded.config.discovery;
  assert.ok(place.type === "dns");
  assert.deepEqual(place.server, { host: "fd00::1", port: 8600 });
});

Deno.test("without a model_name each serves what it lists itself", () => {
  const loaded = load([{ type: "file", path: "targets.json" }]);
  assert.ok(loaded.ok);
  const [{ found }] = loaded.config.discovery;
  assert.deepEqual([found.models, found.listsModels], [[], true]);
});

Deno.test("what is missing or meant otherwise is named", () => {
  const dns = { type: "dns", name: "vllm.internal", port: 8000, model_name: "m" };
  assert.deepEqual(problems({ ...dns, port: undefined }), [
    "discovery[0].port: expected a port, or srv: true",
  ]);
  assert.match(
    problems({ ...dns, prot: 1 })[0],
    /discovery\[0\]\.prot: unknown option; did you mean `port`\?/,
  );
  assert.match(problems({ ...dns, type: "dsn" })[0], /discovery\[0\]\.type: .*dns/);
  assert.deepEqual(problems(dns, { ...dns, weight: 2 }), [
    "discovery[1]: asks what discovery[0] asks",
  ]);
  assert.match(problems({ ...dns, upstream_model: { x: "y" } })[0], /`x` is not among model_name/);
});

// The options of peers: which way notes go, and what is wrong in words that help.

import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";

const TOKEN = "a-token-of-gateways";

function load(peers: unknown, more: Record<string, unknown> = {}) {
  const instances = [{ url: "http://10.0.0.1:8000", model_name: "m" }];
  return loadConfig("c.jsonc", JSON.stringify({ instances, peers, ...more }), () => undefined);
}

function peersOf(peers: unknown, more: Record<string, unknown> = {}) {
  const loaded = load(peers, more);
  assert.ok(loaded.ok);
  return loaded.config.peers;
}

Deno.test("a gateway has no peers unless it is told of them, or shares a state with them", () => {
  const shared = { shared_state: { url: "redis://10.0.0.9:6379" } };
  assert.equal(peersOf(undefined), null);
  assert.equal(peersOf(false, shared), null);
  assert.equal(peersOf(undefined, shared)?.shared?.url, "redis://10.0.0.9:6379");
});

Deno.test("named peers are reached directly, also where there is a shared state", () => {
  const shared = { shared_state: { url: "redis://10.0.0.9:6379" } };
  const urls = ["http://10.0.0.2:9999", "http://10.0.0.2:9999/"];
  const peers = peersOf({ urls, dns: "gateways.internal", token: TOKEN }, shared);
  assert.equal(peers?.shared, null);
  assert.deepEqual(peers?.urls, ["http://10.0.0.2:9999"]);
  assert.deepEqual(peers?.dns, { name: "gateways.internal", port: 9999 });
});

Deno.test("what is missing or meant otherwise is named", () => {
  const problems = (peers: unknown) => {
    const loaded = load(peers);
    return loaded.ok ? "" : loaded.problems.map(({ message }) => message).join("; ");
  };
  assert.match(problems({ urls: ["http://10.0.0.2:9999"] }), /peers\.token: expected a token/);
  assert.match(problems({ urls: ["http://10.0.0.2:9999/v2"], token: TOKEN }), /expected no path/);
  assert.match(problems({ urls: ["10.0.0.2"], token: TOKEN }), /peers\.urls\[0\]/);
  const short = problems({ urls: ["http://10.0.0.2:9999"], token: "hunter2" });
  assert.match(short, /at least 16 characters/);
  assert.doesNotMatch(short, /hunter2/);
  assert.match(problems({ intervall: 1 }), /did you mean `interval`/);
});

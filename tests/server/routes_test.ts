// Which paths exist, and that writing one in another way does not open what is closed.

import assert from "node:assert/strict";
import { routeOf } from "../../lib/server/routes.ts";

Deno.test("API paths are proxied, with their API where answers are understood", () => {
  assert.deepEqual(routeOf("/v1/chat/completions"), {
    kind: "proxy",
    path: "/v1/chat/completions",
    api: "chat",
  });
  for (const [path, api] of [["completions", "completions"], ["messages", "messages"]]) {
    assert.equal((routeOf(`/v1/${path}?x=1`) as { api: string }).api, api);
  }
  for (
    const path of [
      "/v1/embeddings",
      "/v1/audio/transcriptions",
      "/v2/rerank",
      "/tokenize",
      "/detokenize",
      "/pooling",
      "/classify",
      "/score",
      "/rerank",
    ]
  ) assert.deepEqual(routeOf(path), { kind: "proxy", path, api: null });
});

Deno.test("the gateway's own paths are its own", () => {
  assert.deepEqual(routeOf("/health"), { kind: "health" });
  assert.deepEqual(routeOf("/"), { kind: "admin" });
  assert.deepEqual(routeOf("/", "POST"), { kind: "not_found" });
  assert.deepEqual(routeOf("/v1/models"), { kind: "models", id: null });
  assert.deepEqual(routeOf("/v1/models/org%2Dname"), { kind: "models", id: "org-name" });
  assert.deepEqual(routeOf("/v1/responses/resp_1/cancel"), {
    kind: "stored_response",
    id: "resp_1",
  });
});

Deno.test("paths that administer an instance are not there, however they are written", () => {
  for (
    const path of [
      "/v1",
      "/sleep",
      "/wake_up",
      "/invocations",
      "/collective_rpc",

      "/v1/load_lora_adapter",
      "/v1/unload_lora_adapter/",
      "/v1/LOAD_LORA_ADAPTER",
      "/server_info",
      "/docs",
      "/score/x",
    ]
  ) assert.equal(routeOf(path).kind, "not_found", path);
});

Deno.test("ambiguous ways of writing a path are refused", () => {
  for (
    const path of [
      "/v1/../sleep",
      "/v1/./models",
      "/v1/%2e%2e/sleep",
      "/v1/..%2fsleep",
      "/v1//chat/completions",
      "//v1/models",
      "/v1/a%2fb",
      "/v1/a%5cb",
      "/v1/a\\b",
      "/v1/models#a",
      "/dashboard/api/records#a",
      "/v1/a%00",
      "/v1/a%0d%0ab",
      "/v1/%zz",
      "/v1/%252e%252e/sleep",
      "/v1/load%5Flora_adapter",
      "/v1/%63hat/completions",
      "/v1/%72esponses/resp_1",
      "/v1/responses/%72esp_1",
      "/v1/chat%2Dx",
      "/%764/x",
      "/v1/chat/completions;x=1",
      "/v1/responses;x/resp_1",
      "/v1/responses/resp_1%3b",
    ]
  ) assert.equal(routeOf(path).kind, "bad_path", path);
});

Deno.test("a stored response is found by any id that a path may have, and nothing else is below it", () => {
  for (const id of ["resp_1", "resp_job.42", "resp_a:b~c", "resp_@", "x".repeat(500)]) {
    for (const rest of ["", "/", "/input_items", "/cancel/"]) {
      const expected = { kind: "stored_response", id };
      assert.deepEqual(routeOf(`/v1/responses/${id}${rest}?model=m`), expected);
      const coded = encodeURIComponent(id);
      assert.deepEqual(routeOf(`/v1/responses/${coded}${rest}`), expected);
    }
  }
  assert.equal(routeOf("/v1/responses/compact", "POST").kind, "proxy");
});

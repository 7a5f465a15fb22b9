// Which instances the environment's proxy is for.

import assert from "node:assert/strict";
import { environmentProxy } from "../../lib/forward/transport/environment_proxy.ts";

const given = (variables: Record<string, string>) => environmentProxy((name) => variables[name]);

Deno.test("without a proxy in the environment nothing is proxied", () => {
  assert.equal(given({ NO_PROXY: "x", https_proxy: "http://p" })("http://a:1"), false);
});

Deno.test("NO_PROXY takes names, the names below them, addresses and ranges", () => {
  const proxied = given({
    HTTP_PROXY: "http://proxy:3128",
    NO_PROXY: "localhost, 10.0.0.0/8,.example.com,vllm.internal,192.168.1.5,[::1]",
  });
  for (
    const [origin, expected] of [
      ["http://localhost:8000", false],
      ["http://127.0.0.1:8000", true],
      ["http://10.82.1.1:8080", false],
      ["http://11.0.0.1", true],
      ["http://a.example.com", false],
      ["http://example.org", true],
      ["http://gpu.vllm.internal", false],
      ["http://notvllm.internal", true],
      ["http://192.168.1.5", false],
      ["http://192.168.1.50", true],
    ] as const
  ) assert.equal(proxied(origin), expected, origin);
});

Deno.test("each scheme has its own variables", () => {
  assert.equal(given({ https_proxy: "http://p" })("https://a"), true);
  assert.equal(given({ HTTP_PROXY: "http://p" })("https://a"), false);
  assert.equal(given({ ALL_PROXY: "http://p" })("https://a"), true);
});

Deno.test("NO_PROXY=* exempts everything", () => {
  assert.equal(given({ http_proxy: "http://p", no_proxy: "*" })("http://a"), false);
});

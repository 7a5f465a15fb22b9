// Which header fields pass.

import assert from "node:assert/strict";
import type { InstanceConfig } from "../../lib/config/config.ts";
import {
  endToEnd,
  facingClients,
  requestHeaders,
  responseHeaders,
} from "../../lib/forward/header_rules.ts";

Deno.test("fields of one connection stop here, those that Connection names too", () => {
  const sent = requestHeaders(
    [
      ["connection", "keep-alive, X-Private"],
      ["x-private", "1"],
      ["te", "trailers"],
      ["proxy-authorization", "Basic x"],
      ["host", "gateway"],
      ["content-length", "5"],
      ["accept-encoding", "gzip"],
      ["expect", "100-continue"],
      ["x-stainless-lang", "js"],
      ["content-type", "application/json"],
    ],
    null,
    "id-1",
  );
  assert.deepEqual(sent, [
    ["x-stainless-lang", "js"],
    ["content-type", "application/json"],
    ["accept-encoding", "identity"],
    ["x-request-id", "id-1"],
    ["via", "1.1 simple-ai-gateway"],
  ]);
});

Deno.test("an instance's key replaces every credential of the client's", () => {
  const sent = requestHeaders(
    [["authorization", "Bearer client"], ["x-api-key", "client"]],
    "instance",
    "id",
  );
  assert.deepEqual(sent.filter(([name]) => /auth|key/.test(name)), [
    ["authorization", "Bearer instance"],
  ]);
});

Deno.test("without one the client's passes, Anthropic's as a Bearer token", () => {
  assert.deepEqual(requestHeaders([["authorization", "Bearer client"]], null, "id")[0], [
    "authorization",
    "Bearer client",
  ]);
  assert.deepEqual(requestHeaders([["x-api-key", "client"]], null, "id")[0], [
    "authorization",
    "Bearer client",
  ]);
});

Deno.test("answers carry the gateway's id and the instance, once", () => {
  const headers = responseHeaders(
    endToEnd([
      ["content-type", "text/plain"],
      ["content-length", "3"],
      ["x-request-id", "theirs"],
      ["connection", "x-hop"],
      ["x-hop", "1"],
      ["set-cookie", "a"],
      ["set-cookie", "b"],
    ]),
    "ours",
    "gpu-1",
  );
  assert.deepEqual(headers, [
    ["content-type", "text/plain"],
    ["set-cookie", "a"],
    ["set-cookie", "b"],
    ["x-request-id", "ours"],
    ["x-gateway-instance", "gpu-1"],
  ]);
});

Deno.test("no field with addresses in it names the instance to clients", () => {
  const instance = { origin: "http://10.0.0.1:8000", pathPrefix: "" } as InstanceConfig;
  const facing = (name: string, value: string) =>
    facingClients({ status: 307, headers: [[name, value]] }, instance).headers[0][1];
  assert.equal(facing("location", "HTTP://10.0.0.1:8000/v1/x/?a=1"), "/v1/x/?a=1");
  assert.equal(facing("link", "<http://10.0.0.1:8000/v1/x>; rel=next"), "</v1/x>; rel=next");
  assert.equal(facing("link", "</a>, <//10.0.0.1:8000/b>"), "</a>, </b>");
  assert.equal(facing("refresh", "0; url=http://10.0.0.1:8000/v1/x"), "0; url=/v1/x");
  for (const other of ["<http://10.0.0.1:80001/x>", "<http://10x0y0z1:8000/x>"]) {
    assert.equal(facing("link", other), other);
  }
});

// Web pages of other origins: who may call the API, and what the browser is told on which answers.

import assert from "node:assert/strict";
import { quietGatewayFor } from "../support/gateway_for.ts";
import type { GatewayProcess } from "../support/processes.ts";
import { rawRequest } from "../support/raw_http.ts";
import { completion, startUpstream, type Upstream } from "../support/upstream.ts";

const PAGE = "https://app.example.com";
const BODY = { model: "demo", messages: [] };

const serving = ({ url }: Upstream) => ({ url, model_name: ["demo", "other"] });

function preflight(gateway: GatewayProcess, path: string, origin = PAGE): Promise<Response> {
  return fetch(gateway.url + path, {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization, content-type, x-stainless-os",
    },
  });
}

const allowed = ({ headers }: Response) => headers.get("access-control-allow-origin");

Deno.test("preflights are answered by the gateway, whatever the path and the models", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(serving(instance));
  for (const path of ["/v1/chat/completions", "/v1/models", "/health", "/v1/nowhere"]) {
    const response = await preflight(gateway, path);
    assert.equal(response.status, 204, path);
    assert.equal(allowed(response), "*");
    assert.match(response.headers.get("access-control-allow-methods")!, /POST/);
    assert.equal(
      response.headers.get("access-control-allow-headers"),
      "authorization, content-type, x-stainless-os",
    );
    assert.equal(response.headers.get("access-control-allow-credentials"), null);
  }
  assert.equal(instance.seen.length, 0);
});

Deno.test("odd preflights are answered within the rules, and never with what the instance says", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(serving(instance), { cors: { origins: [PAGE] } });
  const ask = async (headers: Record<string, string>) => {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "OPTIONS",
      headers: { origin: PAGE, "access-control-request-method": "POST", ...headers },
    });
    await response.body?.cancel();
    return response;
  };
  const field = "access-control-allow-private-network";
  const within = await ask({ "access-control-request-private-network": "true" });
  assert.equal(within.headers.get(field), "true");
  assert.equal((await ask({})).headers.get(field), null);
  const stranger = await ask({
    origin: "https://evil.example",
    "access-control-request-private-network": "true",
  });
  assert.deepEqual([stranger.status, stranger.headers.get(field)], [403, null]);
  for (const method of ["PROPFIND", "TRACE", "post", "POST, GET", "*"]) {
    const response = await ask({ "access-control-request-method": method });
    assert.equal(response.status, 204, method);
    const methods = response.headers.get("access-control-allow-methods")!.split(", ");
    assert.ok(methods.includes("POST") && !methods.includes(method), method);
  }
  for (const names of ["a b", "x\u00e4", "(", "a;b", ",", "a, , b"]) {
    const response = await ask({ "access-control-request-headers": names });
    assert.equal(response.status, 204, names);
    assert.equal(response.headers.get("access-control-allow-headers"), "*", names);
  }
  for (const origin of ["null", "file://", "https://app.example.com.evil.example", PAGE + "/"]) {
    assert.equal((await ask({ origin })).status, 403, origin);
  }
  assert.equal(instance.seen.length, 0);
});

Deno.test("every answer tells the page that it may read it, errors and early heads too", async () => {
  await using instance = startUpstream(() => {
    const response = completion();
    response.headers.set("access-control-allow-origin", "https://inner.example");
    response.headers.set("access-control-allow-credentials", "true");
    return response;
  });
  await using gateway = await quietGatewayFor(serving(instance), { keepalive: 0.1 });
  const headers = { origin: PAGE };
  const check = async (response: Response, status: number) => {
    await response.body?.cancel();
    assert.equal(response.status, status);
    assert.equal(allowed(response), "*");
    assert.equal(response.headers.get("access-control-allow-credentials"), null);
    const exposed = response.headers.get("access-control-expose-headers") ?? "";
    assert.match(exposed, /x-request-id/);
    assert.match(exposed, /x-gateway-instance/);
  };
  await check(await gateway.post("/v1/chat/completions", BODY, { headers }), 200);
  await check(await gateway.post("/v1/chat/completions", "no json", { headers }), 400);
  await check(
    await gateway.post("/v1/chat/completions", { ...BODY, model: "none" }, { headers }),
    404,
  );
  await check(await fetch(`${gateway.url}/nowhere`, { headers }), 404);
  await check(await fetch(`${gateway.url}/v1/models`, { headers }), 200);
  await check(await fetch(`${gateway.url}/health`, { headers }), 200);
  instance.answer = () => new Response("down", { status: 500 });
  await check(await gateway.post("/v1/chat/completions", BODY, { headers }), 502);
  // The head comes with the first comment, long before the instance's own.
  let release = () => {};
  instance.answer = () =>
    new Response(
      new ReadableStream({
        start(controller) {
          release = () => controller.close();
        },
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
  const early = await gateway.post("/v1/chat/completions", { ...BODY, stream: true }, { headers });
  await check(early, 200);
  release();
});

/** What the listener refuses by itself, before there is a request. */
const UNREAD: readonly [status: number, what: string, rest: string][] = [
  [431, "a head that is too large", `x-much: ${"a".repeat(70_000)}\r\n\r\n`],
  [431, "more fields than there may be", `${"x-field: 1\r\n".repeat(2000)}\r\n`],
  [400, "a field without a name", ": nothing\r\n\r\n"],
  [400, "two lengths", "content-length: 3\r\ncontent-length: 4\r\n\r\nabcd"],
  [400, "a body that is not chunked as it says", "transfer-encoding: chunked\r\n\r\nzz\r\n"],
  [408, "a body that does not come", "content-length: 30\r\n\r\n{"],
];

const listed = { cors: { origins: [PAGE] } };

for (const [origins, config] of [["any page", {}], ["the pages listed", listed]] as const) {
  Deno.test({
    name: `errors about a head or a body that is none can be read by ${origins}`,
    // Deno.serve answers such requests by itself, with a bare 400.
    ignore: Deno.env.get("TEST_LISTENER") === "deno_serve",
    async fn() {
      await using instance = startUpstream();
      await using gateway = await quietGatewayFor(serving(instance), {
        ...config,
        body_timeout: 0.3,
      });
      const ask = (line: string, origin: string, rest: string) =>
        rawRequest({
          port: gateway.port,
          parts: [`${line} HTTP/1.1\r\nHost: gateway.example\r\nOrigin: ${origin}\r\n${rest}`],
          until: ({ status }) => status !== null,
        });
      const post = "POST /v1/chat/completions";
      for (const [status, what, rest] of UNREAD) {
        const answer = await ask(post, PAGE, rest);
        assert.equal(answer.status, status, what);
        const told = answer.headers["access-control-allow-origin"];
        assert.equal(told, "cors" in config ? PAGE : "*", what);
        const foreign = await ask(post, "https://evil.example", rest);
        assert.equal(
          foreign.headers["access-control-allow-origin"],
          "cors" in config ? undefined : "*",
          what,
        );
      }
      const socket = await ask(
        "GET /v1/realtime",
        PAGE,
        "connection: upgrade\r\nupgrade: websocket\r\n\r\n",
      );
      assert.equal(socket.status, 501);
      assert.notEqual(socket.headers["access-control-allow-origin"], undefined);
      // Nothing of its head was read: only where any page may ask it may read the answer.
      const long = await ask(`GET /${"a".repeat(70_000)}`, PAGE, "\r\n");
      assert.equal(long.status, 414);
      assert.equal(
        long.headers["access-control-allow-origin"],
        "cors" in config ? undefined : "*",
      );
    },
  });
}

Deno.test("without a page nothing of it is said, and an instance's own word goes no further", async () => {
  await using instance = startUpstream(() => {
    const response = completion();
    response.headers.set("access-control-allow-origin", "*");
    return response;
  });
  await using gateway = await quietGatewayFor(serving(instance));
  const response = await gateway.post("/v1/chat/completions", BODY);
  await response.body?.cancel();
  assert.deepEqual([...response.headers.keys()].filter((name) => name.startsWith("access-")), []);
});

Deno.test("with a list of origins only those, and pages of the gateway itself, get through", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(serving(instance), { cors: { origins: [PAGE] } });
  const post = (origin: string) =>
    gateway.post("/v1/chat/completions", BODY, {
      headers: { origin, "content-type": "text/plain" },
    });
  for (const origin of [PAGE, gateway.url]) {
    const response = await gateway.post("/v1/chat/completions", BODY, { headers: { origin } });
    await response.body?.cancel();
    assert.equal(response.status, 200);
    assert.equal(allowed(response), origin);
    assert.match(response.headers.get("vary") ?? "", /origin/i);
  }
  const asked = instance.seen.length;
  for (const origin of ["https://evil.example", `${PAGE}.evil.example`, "null"]) {
    for (const response of [await post(origin), await preflight(gateway, "/v1/models", origin)]) {
      await response.body?.cancel();
      assert.equal(response.status, 403, origin);
      assert.equal(allowed(response), null);
    }
  }
  assert.equal(instance.seen.length, asked);
});

Deno.test("the dashboard and the metrics are for no other page", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(serving(instance));
  for (const path of ["/metrics", "/dashboard/", "/dashboard/api/fleet"]) {
    for (
      const response of [
        await fetch(gateway.url + path, { headers: { origin: PAGE } }),
        await preflight(gateway, path),
      ]
    ) {
      await response.body?.cancel();
      assert.equal(allowed(response), null, path);
    }
  }
});

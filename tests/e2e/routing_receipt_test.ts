// A client, the log and the record are told why an instance was chosen. Numbers are those of the edge cases in
// docs/decisions/routing.md.

import assert from "node:assert/strict";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { recordsOf } from "../support/records.ts";
import { chunk, completion, sse, startUpstream } from "../support/upstream.ts";

const PROMPT = "word ".repeat(2000);

async function ask(gateway: GatewayProcess, init: RequestInit = {}, stream = false) {
  const messages = [{ role: "user", content: PROMPT }];
  const answer = await gateway.post("/v1/chat/completions", { model: "m", messages, stream }, init);
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return answer.headers.get("x-gateway-route");
}

const upstream = () =>
  startUpstream(({ text }) =>
    JSON.parse(text).stream
      ? sse([chunk({ content: "yes" }), chunk({}, "stop"), "[DONE]"])
      : completion("yes", {
        usage: { prompt_tokens: 2000, completion_tokens: 1, total_tokens: 2001 },
      })
  );

Deno.test("41: the receipt names the instance, the reason and what is cached, in header, log and record", async () => {
  await using a = upstream();
  await using b = upstream();
  await using gateway = await startGateway({
    config: {
      instances: [{ url: a.url, model_name: "m", name: "a" }, { url: b.url, model_name: "m" }],
      load_balancing_strategy: "prefix_aware",
    },
  });
  // What a client forges is its own affair: nobody is sent it back.
  const first = await ask(gateway, { headers: { "x-gateway-route": "forged" } });
  assert.match(first!, /^(a|"127\.0\.0\.1:\d+");by=home;hit=0;of=\d+;wait=0\.00;cost=\d+\.\d\d;/);
  assert.match(first!, /;among=2;attempt=1$/);
  const second = await ask(gateway, {}, true);
  assert.match(second!, /;by=prefix;hit=[1-9]\d*;of=\d+;/);
  assert.equal(second!.split(";")[0], first!.split(";")[0]);
  const lines = await recordsOf(gateway, 2);
  assert.deepEqual(lines.map(({ meta }) => meta.route), [first, second]);
});

Deno.test("41: pages of other origins may read the receipt", async () => {
  await using a = upstream();
  await using gateway = await startGateway({
    config: {
      instances: [{ url: a.url, model_name: "m", name: "a" }],
      load_balancing_strategy: "prefix_aware",
    },
  });
  const messages = [{ role: "user", content: PROMPT }];
  const headers = { origin: "https://page.example" };
  const answer = await gateway.post("/v1/chat/completions", { model: "m", messages }, { headers });
  await answer.body?.cancel();
  assert.match(answer.headers.get("x-gateway-route")!, /^a;by=only;/);
  assert.match(answer.headers.get("access-control-expose-headers")!, /x-gateway-route/);
});

Deno.test("41: full tells of every candidate, short of one, off and other strategies of nothing", async () => {
  await using a = upstream();
  await using b = upstream();
  const instances = [{ url: a.url, model_name: "m", name: "a" }, {
    url: b.url,
    model_name: "m",
    name: "b",
  }];
  const told = async (more: object, init: RequestInit = {}) => {
    await using gateway = await startGateway({
      config: {
        instances,
        load_balancing_strategy: "prefix_aware",
        ...more,
      },
    });
    return await ask(gateway, init);
  };
  const full = { routing: { explain_header: "full" }, admin: { token: "secret" } };
  assert.doesNotMatch((await told(full))!, /,/);
  const all = await told(full, { headers: { authorization: "Bearer secret" } });
  assert.match(all!, /^[ab];by=home;.*;attempt=1, [ab];cost=\d+\.\d\d;hit=0;wait=0\.00;n=0;v=\d+$/);
  assert.equal(await told({ routing: { explain_header: "off" } }), null);
  assert.equal(await told({ load_balancing_strategy: "round_robin" }), null);
  assert.match((await told({ load_balancing_strategy: "bounded_hash" }))!, /;by=home;/);
});

Deno.test("41: after a failure the receipt is that of the instance that answers, with the number of its attempt", async () => {
  await using a = startUpstream(() => new Response("{}", { status: 500 }));
  await using b = upstream();
  await using gateway = await startGateway({
    config: {
      instances: [{ url: a.url, model_name: "m", name: "a" }],
      fallback_instances: [{ url: b.url, model_name: "m", name: "b" }],
      retry: { max_wait: 0 },
      load_balancing_strategy: "prefix_aware",
    },
  });
  assert.match((await ask(gateway))!, /^b;by=fallback;.*;among=1;attempt=2$/);
});

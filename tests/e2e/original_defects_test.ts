// One test for each of the eleven defects that were found in the original, SimpleAIGateway in Python,
// so that none of them comes back. They are numbered in the order in which its code was read.

import assert from "node:assert/strict";
import { rename, writeFile } from "node:fs/promises";
import { gatewayFor } from "../support/gateway_for.ts";
import {
  configText,
  type GatewayConfig,
  type GatewayProcess,
  startGateway,
} from "../support/processes.ts";
import { records, recordsOf } from "../support/records.ts";
import { eventsOf } from "../support/sse.ts";
import { brokenSse, chunk, completion, sse, startUpstream } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";

const chat = (more: object = {}) => ({
  model: "m",
  messages: [{ role: "user", content: "Hi" }],
  ...more,
});

function gatewayBefore(urls: string[], config: GatewayConfig = {}): Promise<GatewayProcess> {
  return gatewayFor(
    urls.map((url, index) => ({ url, model_name: "m", name: `private-${index}` })),
    config,
  );
}

Deno.test("1: least_connections sends a request to the instance with fewest in flight", async () => {
  const gate = Promise.withResolvers<void>();
  const slow = async () => {
    await gate.promise;
    return completion("late");
  };
  await using a = startUpstream(slow);
  await using b = startUpstream(slow);
  await using gateway = await gatewayBefore([a.url, b.url], {
    load_balancing_strategy: "least_connections",
  });
  const answers: Promise<Response>[] = [];
  for (let sent = 1; sent <= 6; sent++) {
    answers.push(gateway.post("/v1/chat/completions", chat()));
    await waitFor(() => a.seen.length + b.seen.length === sent, `request ${sent} to arrive`);
  }
  assert.deepEqual([a.seen.length, b.seen.length], [3, 3]);
  gate.resolve();
  for (const answer of answers) assert.equal((await (await answer).json()).model, "m");
});

Deno.test("2: in-flight counts are never negative and zero after streams of every outcome", async () => {
  let turn = 0;
  await using upstream = startUpstream(() => {
    switch (turn++ % 3) {
      case 0:
        return sse([chunk({ content: "a" }), chunk({}, "stop"), "[DONE]"]);
      case 1:
        return brokenSse([chunk({ content: "a" })]);
      default:
        return new Response("{}", { status: 500 });
    }
  });
  await using gateway = await gatewayBefore([upstream.url]);
  for (let sent = 0; sent < 9; sent++) {
    await (await gateway.post("/v1/chat/completions", chat({ stream: true }))).text();
    const { inFlight, text } = await gateway.health();
    assert.ok(inFlight.length > 0, text);
    assert.ok(inFlight.every((count) => count >= 0), text);
  }
  await waitFor(
    async () => (await gateway.health()).inFlight.every((count) => count === 0),
    "all in-flight counts to be zero",
  );
});

Deno.test("3: a stream that breaks off ends in an error, counts as failure and is not training data", async () => {
  await using upstream = startUpstream(() => brokenSse([chunk({ content: "half" })]));
  await using gateway = await gatewayBefore([upstream.url], { resume: "off" });
  const events = eventsOf(
    await (await gateway.post("/v1/chat/completions", chat({ stream: true }))).text(),
  );
  assert.equal(JSON.parse(events[0]).choices[0].delta.content, "half");
  assert.ok(!events.includes("[DONE]"), events.join("\n"));
  assert.equal(typeof JSON.parse(events.at(-1)!).error.message, "string");
  await recordsOf(gateway, 1, "incomplete");
  assert.equal((await records(gateway)).length, 0);
});

Deno.test("4: a streaming request that nobody can answer gets an error status, not an empty 200", async () => {
  await using one = startUpstream(() => new Response("no", { status: 500 }));
  await using two = startUpstream(() => new Response("no", { status: 500 }));
  await using gateway = await gatewayBefore([one.url, two.url]);
  const response = await gateway.post("/v1/chat/completions", chat({ stream: true }));
  const text = await response.text();
  assert.ok([502, 503, 504].includes(response.status), `${response.status} ${text}`);
  const { error } = JSON.parse(text);
  assert.match(error.message, /private-0/);
  assert.match(error.message, /private-1/);
});

Deno.test("5: no limit on the whole time of an answer unless the config sets one", async () => {
  await using upstream = startUpstream(() => completion("x"));
  await using gateway = await gatewayBefore([upstream.url]);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "main.ts", "check", "--print", "--config", gateway.configPath],
    cwd: new URL("../../", import.meta.url),
    stdout: "piped",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.match(text, /"total": null/);
});

Deno.test("6: a 4xx passes as it came and never ejects an instance", async () => {
  const refusal =
    '{"error":{"message":"too long","type":"BadRequestError","param":"x","code":400}}';
  let refuse = true;
  await using upstream = startUpstream(() =>
    refuse
      ? new Response(refusal, { status: 400, headers: { "content-type": "application/json" } })
      : completion("fine")
  );
  await using other = startUpstream(() => new Response(refusal, { status: 400 }));
  await using gateway = await gatewayBefore([upstream.url, other.url], { error_threshold: 2 });
  for (let sent = 0; sent < 10; sent++) {
    const response = await gateway.post("/v1/chat/completions", chat());
    assert.equal(response.status, 400);
    assert.equal(await response.text(), refusal);
  }
  assert.equal(upstream.seen.length + other.seen.length, 10, "a 4xx is not retried");
  refuse = false;
  const { status } = await gateway.health();
  assert.equal(status, 200);
  const before = upstream.seen.length;
  for (let sent = 0; sent < 4; sent++) {
    await (await gateway.post("/v1/chat/completions", chat())).body?.cancel();
  }
  assert.ok(upstream.seen.length > before, "the instance is still in use");
});

Deno.test("7: a plain request tries the other private instances before the fallback", async () => {
  await using down = startUpstream(() => new Response("no", { status: 503 }));
  await using up = startUpstream(() => completion("private"));
  await using fallback = startUpstream(() => completion("fallback"));
  await using gateway = await gatewayBefore([down.url, up.url], {
    fallback_instances: [{ url: fallback.url, model_name: "m" }],
  });
  for (let sent = 0; sent < 4; sent++) {
    const response = await gateway.post("/v1/chat/completions", chat());
    assert.equal((await response.json()).choices[0].message.content, "private");
  }
  assert.ok(down.seen.length > 0);
  assert.equal(fallback.seen.length, 0);
});

Deno.test("8: models are routed, listed and renamed for the fallback, streaming too", async () => {
  await using m = startUpstream(() => new Response("no", { status: 500 }));
  await using n = startUpstream(() => completion("from n", { model: "n" }));
  await using fallback = startUpstream((seen) =>
    JSON.parse(seen.text).stream
      ? sse([chunk({ content: "from fallback" }), chunk({}, "stop"), "[DONE]"])
      : completion("from fallback")
  );
  await using gateway = await startGateway({
    config: {
      instances: [{ url: m.url, model_name: "m" }, { url: n.url, model_name: "n" }],
      fallback_instances: [{
        url: fallback.url,
        model_name: "m",
        upstream_model: "vendor/m-large",
      }],
    },
  });
  const other = await gateway.post("/v1/chat/completions", chat({ model: "n" }));
  assert.equal((await other.json()).choices[0].message.content, "from n");
  for (const stream of [false, true]) {
    const response = await gateway.post("/v1/chat/completions", chat({ stream }));
    assert.match(await response.text(), /from fallback/);
  }
  assert.deepEqual(fallback.seen.map((seen) => JSON.parse(seen.text).model), [
    "vendor/m-large",
    "vendor/m-large",
  ]);
  const list = await (await fetch(`${gateway.url}/v1/models`)).json();
  assert.deepEqual(list.data.map((entry: { id: string }) => entry.id).sort(), ["m", "n"]);
});

Deno.test("9: records keep reasoning, tool calls and usage, also where content is null", async () => {
  const call = (more: object) => ({ tool_calls: [{ index: 0, ...more }] });
  await using upstream = startUpstream((seen) => {
    if (seen.path === "/v1/completions") {
      return Response.json({
        id: "cmpl-1",
        object: "text_completion",
        created: 1,
        model: "m",
        choices: [{ index: 0, text: " there", finish_reason: "stop" }],
      });
    }
    return sse([
      chunk({ role: "assistant", content: null }),
      chunk({ reasoning_content: "Let me " }),
      chunk({ reasoning: "think.", content: null }),
      chunk({ content: "Looking it up." }),
      chunk(
        call({ id: "call-1", type: "function", function: { name: "look", arguments: '{"at"' } }),
      ),
      chunk(call({ function: { arguments: ':"it"}' } })),
      chunk({}, "tool_calls"),
      {
        ...chunk({}),
        choices: [],
        usage: { prompt_tokens: 7, completion_tokens: 9, total_tokens: 16 },
      },
      "[DONE]",
    ]);
  });
  await using gateway = await gatewayBefore([upstream.url]);
  const tools = [{ type: "function", function: { name: "look", parameters: {} } }];
  await (await gateway.post("/v1/chat/completions", chat({ stream: true, tools }))).text();
  const [record] = await recordsOf(gateway, 1);
  const values = record.conversations;
  assert.deepEqual(values[0], { from: "human", value: "Hi" });
  const said = values.slice(1).map((turn) => turn.value).join("\n");
  assert.match(said, /<think>\s*Let me think\.\s*<\/think>/);
  assert.match(said, /Looking it up\./);
  const called = values.find((turn) => turn.from === "function_call");
  assert.ok(called, JSON.stringify(values));
  assert.match(called.value, /"name":\s*"look"/);
  assert.match(called.value, /"at"/);
  assert.equal(
    JSON.parse(record.tools!)[0].name ?? JSON.parse(record.tools!)[0].function.name,
    "look",
  );
  assert.match(JSON.stringify(record.meta), /"total_tokens":16/);

  await (await gateway.post("/v1/completions", { model: "m", prompt: "Hello" })).text();
  const [, plain] = await recordsOf(gateway, 2);
  assert.match(JSON.stringify(plain.conversations), /Hello.* there/);
});

Deno.test("10: a config saved by an atomic rename is taken, without losing counters", async () => {
  const gate = Promise.withResolvers<void>();
  await using old = startUpstream(async () => {
    await gate.promise;
    return completion("old");
  });
  await using added = startUpstream(() => completion("new"));
  await using gateway = await gatewayBefore([old.url]);
  const waiting = gateway.post("/v1/chat/completions", chat());
  await waitFor(() => old.seen.length === 1, "the first request to arrive");
  const next = configText({
    instances: [
      { url: old.url, model_name: "m", name: "private-0" },
      { url: added.url, model_name: "n", name: "private-1" },
    ],
  }, gateway.dataDir);
  await writeFile(`${gateway.configPath}~`, next);
  await rename(`${gateway.configPath}~`, gateway.configPath);
  await waitFor(async () => {
    const response = await gateway.post("/v1/chat/completions", chat({ model: "n" }));
    await response.body?.cancel();
    return response.status === 200;
  }, "the added instance to answer");
  const { inFlight, text } = await gateway.health();
  assert.equal(Math.max(...inFlight), 1, text);
  gate.resolve();
  assert.equal((await waiting).status, 200);
  await (await waiting).body?.cancel();
});

Deno.test("11: connections are reused, multipart works, chunks pass untouched, a client that leaves ends the work", async () => {
  let hold = false;
  const odd = 'data: {"id":"x",  "big":12345678901234567890,"choices":[{"index":0,"delta":' +
    '{"content":"\\u00e9"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
  await using upstream = startUpstream((seen) => {
    if (seen.path === "/v1/audio/transcriptions") return Response.json({ text: "spoken" });
    if (!hold) return new Response(odd, { headers: { "content-type": "text/event-stream" } });
    return new Response(
      new ReadableStream({
        start: (controller) =>
          controller.enqueue(
            new TextEncoder().encode(`data: ${JSON.stringify(chunk({ content: "a" }))}\n\n`),
          ),
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
  });
  await using gateway = await gatewayBefore([upstream.url]);
  const answer = await gateway.post("/v1/chat/completions", chat({ stream: true }));
  assert.equal(await answer.text(), odd);

  const asked = upstream.seen.length;
  for (let sent = 0; sent < 20; sent++) {
    await (await gateway.post("/v1/chat/completions", chat({ stream: true }))).text();
  }
  // A client may have its `[DONE]` before the body's end has come, when that connection is not free yet.
  const connections = new Set(upstream.seen.slice(asked).map((seen) => seen.peer)).size;
  assert.ok(connections <= 10, `20 requests over ${connections} connections`);

  const form = new FormData();
  form.set("model", "m");
  form.set("file", new Blob([new Uint8Array([0, 255, 13, 10])]), "a.wav");
  const spoken = await fetch(`${gateway.url}/v1/audio/transcriptions`, {
    method: "POST",
    body: form,
  });
  assert.deepEqual(await spoken.json(), { text: "spoken" });

  hold = true;
  const leaver = new AbortController();
  const left = await gateway.post("/v1/chat/completions", chat({ stream: true }), {
    signal: leaver.signal,
  });
  await left.body!.getReader().read();
  leaver.abort();
  await waitFor(() => upstream.seen.at(-1)!.aborted, "the upstream to see that the client left");
});

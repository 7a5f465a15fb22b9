// What an answer costs its caller where its instance does not simply say so: odd, cut, left or made in the background.

import assert from "node:assert/strict";
import { reportUsage } from "../../../lib/caller/usage/report.ts";
import { startGateway, temporaryFolder } from "../../support/processes.ts";
import { eventsOf } from "../../support/sse.ts";
import { waitFor } from "../../support/wait.ts";
import { completion, sse, startUpstream } from "../../support/upstream.ts";
import { ASK, bearer, makeKey } from "./keyed.ts";
import { pageWhen } from "./key_page.ts";
import { askTimes, configOf } from "./priced.ts";

Deno.test("access 17: an answer of more than a megabyte, with its prompt's ids behind the usage, costs what it says", async () => {
  const prompt_token_ids = Array.from({ length: 200_000 }, (_, id) => 100_000 + id);
  await using upstream = startUpstream(() => completion("hello", { prompt_token_ids }));
  const key = makeKey("web");
  await using folder = await temporaryFolder();
  await using gateway = await startGateway({ config: configOf(upstream, [key], folder.path) });
  await askTimes(gateway, key, 1);
  const page = await (await fetch(`${gateway.url}/v1/key`, bearer(key.key))).json();
  const { prompt_tokens, completion_tokens } = page.usage.total;
  assert.deepEqual([prompt_tokens, completion_tokens], [3, 2]);
});

Deno.test("access 17: a prompt whose tokens are not told, or cannot be so many, costs an estimate and not the budget", async () => {
  const key = makeKey("web", { budget: { period: "total", tokens: 1_000_000 } });
  const long = "9".repeat(400);
  const told: [path: string, usage: string, completion: number][] = [
    ["/v1/chat/completions", '{ "prompt_tokens": 0, "completion_tokens": 2 }', 2],
    ["/v1/chat/completions", '{ "prompt_tokens": -5, "completion_tokens": 2 }', 2],
    ["/v1/chat/completions", '{ "prompt_tokens": null, "completion_tokens": 2 }', 2],
    ["/v1/chat/completions", '{ "prompt_tokens": 9007199254740991, "completion_tokens": 2 }', 2],
    ["/v1/chat/completions", '{ "input_tokens": 1, "cached_tokens": 50, "output_tokens": 2 }', 2],
    ["/v1/embeddings", '{ "prompt_tokens": 0, "total_tokens": 0 }', 0],
    ["/v1/embeddings", `{ "prompt_tokens": ${long}, "total_tokens": ${long} }`, 0],
  ];
  let usage = "";
  await using upstream = startUpstream(async () => {
    const body = await completion("hello").json();
    const text = JSON.stringify({ ...body, usage: 0 }).replace('"usage":0', `"usage":${usage}`);
    return new Response(text, { headers: { "content-type": "application/json" } });
  });
  await using folder = await temporaryFolder();
  await using gateway = await startGateway({ config: configOf(upstream, [key], folder.path) });
  let before: Record<string, number> = { prompt_tokens: 0, completion_tokens: 0 };
  for (const [path, says, completionTokens] of told) {
    usage = says;
    const answer = await gateway.post(path, { ...ASK, input: "hello" }, bearer(key.key));
    assert.equal(answer.status, 200, says);
    await answer.body?.cancel();
    const isOver = ({ in_flight }: { in_flight: number }) => in_flight === 0;
    const { total } = (await pageWhen(gateway, key, "the end", isOver)).usage;
    assert.equal(total.completion_tokens - before.completion_tokens, completionTokens, says);
    const prompt = total.prompt_tokens - before.prompt_tokens;
    assert.ok(prompt > 0 && prompt < 100, `${says}: ${prompt}`);
    assert.ok(total.cached_tokens <= total.prompt_tokens, says);
    before = total;
  }
});

Deno.test("access 12: a whole answer that its client leaves costs its prompt, by an estimate", async () => {
  const never = Promise.withResolvers<Response>();
  await using upstream = startUpstream(() => never.promise);
  const key = makeKey("web");
  await using folder = await temporaryFolder();
  await using gateway = await startGateway({ config: configOf(upstream, [key], folder.path) });
  const leave = new AbortController();
  const init = { ...bearer(key.key), signal: leave.signal };
  const left = assert.rejects(gateway.post("/v1/chat/completions", ASK, init));
  await waitFor(() => upstream.seen.length === 1, "the request to be at the instance");
  leave.abort();
  await left;
  const rows = async () => {
    const { rows } = await reportUsage({
      dataDir: folder.path,
      by: ["outcome"],
      where: () => true,
    });
    return rows.map(({ values, amount: { requests, prompt, completion, estimated } }) => ({
      ...{ outcome: values[0], requests, completion, estimated },
      costs: prompt > 0,
    }));
  };
  await waitFor(async () => (await rows()).length > 0, "what was used");
  never.resolve(completion("hello"));
  assert.deepEqual(await rows(), [
    { outcome: "aborted", requests: 1, completion: 0, estimated: 1, costs: true },
  ]);
});

Deno.test("access 17: embeddings as plain bytes cost their prompt, by an estimate; sound costs no tokens", async () => {
  await using upstream = startUpstream(() =>
    new Response(new Uint8Array(64), { headers: { "content-type": "application/octet-stream" } })
  );
  const key = makeKey("web");
  await using folder = await temporaryFolder();
  await using gateway = await startGateway({ config: configOf(upstream, [key], folder.path) });
  const costOf = async (path: string, body: object) => {
    const answer = await gateway.post(path, { model: "m", ...body }, bearer(key.key));
    assert.equal((await answer.bytes()).length, 64);
    let used = 0;
    await waitFor(async () => {
      const page = await (await fetch(`${gateway.url}/v1/key`, bearer(key.key))).json();
      used = page.usage.total.prompt_tokens;
      return page.in_flight === 0;
    }, "the end of the request");
    return used;
  };
  const embedded = { input: "to be embedded", encoding_format: "bytes_only" };
  assert.equal(await costOf("/v1/audio/speech", { input: "to be said" }), 0);
  assert.ok(await costOf("/v1/embeddings", embedded) > 0);
});

Deno.test("access 12: an answer that is made in the background costs what was reserved for it, whatever is said at first", async () => {
  const queued = { id: "resp_1", object: "response", status: "queued", usage: null, output: [] };
  await using upstream = startUpstream(() =>
    Response.json({ ...queued, model: "m", instructions: "x".repeat(4000) })
  );
  const key = makeKey("web");
  await using folder = await temporaryFolder();
  await using gateway = await startGateway({ config: configOf(upstream, [key], folder.path) });
  const ask = { model: "m", input: "hello", background: true, max_output_tokens: 40 };
  const answer = await gateway.post("/v1/responses", ask, bearer(key.key));
  assert.equal((await answer.json()).status, "queued");
  const page = await (await fetch(`${gateway.url}/v1/key`, bearer(key.key))).json();
  const { prompt_tokens, completion_tokens } = page.usage.total;
  assert.equal(completion_tokens, 40);
  assert.ok(prompt_tokens > 0 && prompt_tokens < 40, String(prompt_tokens));
});

Deno.test("access 48: a stream that a policy cuts costs its prompt by its text, however long the request", async () => {
  await using upstream = startUpstream(() =>
    sse(["one", " two", " secret", " four"].flatMap((content) =>
      [0, 1].map((index) => ({
        id: "x",
        object: "chat.completion.chunk",
        created: 1,
        model: "m",
        choices: [{ index, delta: { content }, finish_reason: null }],
      }))
    ))
  );
  const web = makeKey("web", { tokens_per_minute: 1_000_000 });
  const policies = [{
    name: "words",
    type: "words",
    words: ["secret"],
    on: "answer",
    action: "cut",
  }];
  const config = { instances: [{ url: upstream.url, model_name: "m" }], health_check: false };
  const image = `data:image/png;base64,${"iVBORw0KGgo".repeat(20_000)}`;
  const body = {
    model: "m",
    n: 2,
    stream: true,
    stream_options: { include_usage: true },
    messages: [{
      role: "user",
      content: [{ type: "text", text: "What is this?" }, {
        type: "image_url",
        image_url: { url: image },
      }],
    }],
  };
  for (const keys of [[web.line], []]) {
    await using gateway = await startGateway({ config: { ...config, keys, policies } });
    const init = keys.length === 0 ? {} : bearer(web.key);
    const stream = await gateway.post("/v1/chat/completions", body, init);
    const told = eventsOf(await stream.text()).map((data) =>
      /"prompt_tokens":(\d+)/.exec(data)?.[1]
    )
      .filter((tokens) => tokens !== undefined).map(Number);
    assert.equal(told.length, 1);
    assert.ok(told[0] > 1000 && told[0] < 1100, `${told[0]} tokens of an image and three words`);
    if (keys.length === 0) continue;
    const page = await (await fetch(`${gateway.url}/v1/key`, bearer(web.key))).json();
    assert.equal(page.usage.day.prompt_tokens, told[0]);
  }
});

Deno.test("access 48: a message that a policy cuts tells its client the tokens that it is charged", async () => {
  const events = [
    {
      type: "message_start",
      message: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "m",
        content: [],
        usage: { input_tokens: 7, output_tokens: 0 },
      },
    },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    ...["one", " two", " three", " secret", " four"].map((text) => ({
      type: "content_block_delta",
      index: 0,
      delta: { type: "text_delta", text },
    })),
  ];
  await using upstream = startUpstream(() =>
    new Response(
      events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""),
      { headers: { "content-type": "text/event-stream" } },
    )
  );
  const web = makeKey("web", { tokens_per_minute: 1_000_000 });
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      health_check: false,
      keys: [web.line],
      policies: [{ name: "words", type: "words", words: ["secret"], on: "answer", action: "cut" }],
    },
  });
  const stream = await gateway.post("/v1/messages", { ...ASK, max_tokens: 50, stream: true }, {
    ...bearer(web.key),
  });
  const last = eventsOf(await stream.text()).map((data) => JSON.parse(data))
    .find(({ type }) => type === "message_delta");
  const page = await (await fetch(`${gateway.url}/v1/key`, bearer(web.key))).json();
  const { prompt_tokens, completion_tokens } = page.usage.day;
  assert.deepEqual([prompt_tokens, completion_tokens], [7, last.usage.output_tokens]);
  assert.ok(completion_tokens >= 4, String(completion_tokens));
});

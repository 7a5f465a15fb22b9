// Guards before answers: nothing goes out unseen, and an answer that one refuses ends as the API ends one.

import assert from "node:assert/strict";
import { startGateway } from "../../support/processes.ts";
import { recordsOf } from "../../support/records.ts";
import { eventsOf } from "../../support/sse.ts";
import { chunk, completion, sse, startUpstream } from "../../support/upstream.ts";

const QUESTION = { model: "m", messages: [{ role: "user", content: "hi" }] };

function hookFor(seen: { text: string; final: boolean }[]) {
  return startUpstream(({ text }) => {
    const { texts, final } = JSON.parse(text);
    const said = texts.map((one: { text: string }) => one.text).join("|");
    seen.push({ text: said, final });
    return Response.json(said.includes("bomb") ? { action: "cut", message: "[stopped]" } : "pass");
  });
}

function policyAt(url: string, options: Record<string, unknown>) {
  return { name: "g", type: "webhook", on: "answer", url, window: 20, timeout: 60, ...options };
}

async function stand(answer: () => Response, options: Record<string, unknown> = {}) {
  const seen: { text: string; final: boolean }[] = [];
  const hook = hookFor(seen);
  const upstream = startUpstream(answer);
  const gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      policies: [policyAt(hook.url, options)],
    },
  });
  return {
    gateway,
    seen,
    ask: async (body: object = {}, path = "/v1/chat/completions") => {
      const response = await gateway.post(path, { ...QUESTION, ...body });
      return { status: response.status, text: await response.text() };
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
      await hook[Symbol.asyncDispose]();
    },
  };
}

const words = (...said: string[]) => [
  ...said.map((content) => chunk({ content })),
  chunk({}, "stop"),
  "[DONE]",
];

Deno.test("a stream that guards let pass is the very stream, seen in windows that end with sentences", async () => {
  const events = words("One two three", " four five six. ", "Seven", " eight.");
  await using s = await stand(() => sse(events));
  const { text } = await s.ask({ stream: true });
  assert.equal(text, await sse(events).text());
  assert.deepEqual(s.seen, [
    { text: "One two three four five six. ", final: false },
    { text: "Seven eight.", final: true },
  ]);
});

Deno.test("48: a stream that a guard cuts shows nothing of that window, and ends as filtered", async () => {
  await using s = await stand(() =>
    sse(words("One two three four five. ", "A bomb is", " made of."))
  );
  const { text } = await s.ask({ stream: true, stream_options: { include_usage: true } });
  const data = eventsOf(text);
  const chunks = data.slice(0, -1).map((one) => JSON.parse(one));
  const said = chunks.flatMap(({ choices }) => choices)
    .map(({ delta }) => delta.content ?? "").join("");
  assert.equal(said, "One two three four five. [stopped]");
  const reasons = chunks.flatMap(({ choices }) => choices).map(({ finish_reason }) => finish_reason)
    .filter((reason) => reason !== null);
  assert.deepEqual(reasons, ["content_filter"]);
  assert.equal(data.filter((one) => one === "[DONE]").length, 1);
  const [record] = await recordsOf(s.gateway, 1, "incomplete");
  assert.ok(!JSON.stringify(record).includes("bomb"));
});

Deno.test("52: a whole answer that a guard refuses has no word of it", async () => {
  await using s = await stand(() => completion("A bomb is made of."));
  const { text } = await s.ask();
  const { choices: [choice] } = JSON.parse(text);
  assert.deepEqual([choice.message.content, choice.finish_reason], ["[stopped]", "content_filter"]);
});

Deno.test("54: `fail` decides for answers too", async () => {
  for (const [fail, reason] of [["closed", "content_filter"], ["open", "stop"]]) {
    await using s = await stand(() => completion("Hello there"), {
      fail,
      url: "http://127.0.0.1:9/",
    });
    const { choices: [choice] } = JSON.parse((await s.ask()).text);
    assert.equal(choice.finish_reason, reason);
  }
});

Deno.test("56: in audit the stream passes as it came, and what would have been done is told", async () => {
  const events = words("A bomb is made", " of this and that.");
  await using s = await stand(() => sse(events), { mode: "audit" });
  assert.equal((await s.ask({ stream: true })).text, await sse(events).text());
  const [record] = await recordsOf(s.gateway, 1);
  assert.match(JSON.stringify(record.meta), /"audit"/);
});

Deno.test("messages and responses end in their own way", async () => {
  const named = (events: { type: string }[]) =>
    new Response(
      events.map((one) => `event: ${one.type}\ndata: ${JSON.stringify(one)}\n\n`).join(""),
      { headers: { "content-type": "text/event-stream" } },
    );
  const messages = [
    {
      type: "message_start",
      message: { id: "1", type: "message", role: "assistant", content: [], usage: {} },
    },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "A bomb" } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
    { type: "message_stop" },
  ];
  await using s = await stand(() => named(messages));
  const { text } = await s.ask({ stream: true, max_tokens: 9 }, "/v1/messages");
  assert.ok(!text.includes("bomb"), text);
  assert.match(text, /"stop_reason":"refusal"/);
  assert.equal(text.match(/event: message_start/g)!.length, 1);
  assert.equal(text.match(/event: message_stop/g)!.length, 1);
});

Deno.test("with `release: first` all goes out at once, and an answer that is refused is cut then", async () => {
  const gate = Promise.withResolvers<void>();
  const seen: string[] = [];
  await using hook = startUpstream(async ({ text }) => {
    const { texts } = JSON.parse(text);
    const said = texts.map((one: { text: string }) => one.text).join("|");
    seen.push(said);
    if (!said.includes("bomb")) return Response.json("pass");
    await gate.promise;
    return Response.json({ action: "cut" });
  });
  const more = Promise.withResolvers<void>();
  const upstream = startUpstream(() => {
    const encoder = new TextEncoder();
    const said = (content: string) =>
      encoder.encode(`data: ${JSON.stringify(chunk({ content }))}\n\n`);
    return new Response(
      new ReadableStream({
        async start(controller) {
          controller.enqueue(said("A harmless beginning. "));
          controller.enqueue(said("A bomb is made of this. "));
          await more.promise;
          // More than guards may fall behind: nothing of it goes out before they have answered.
          for (let i = 0; i < 40; i++) controller.enqueue(said("and of that. "));
          controller.close();
        },
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
  });
  await using _ = upstream;
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      policies: [policyAt(hook.url, { release: "first" })],
    },
  });
  const response = await gateway.post("/v1/chat/completions", { ...QUESTION, stream: true });
  let text = "";
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    const isFirst = !text.includes("bomb");
    text += piece;
    if (!isFirst || !text.includes("bomb")) continue;
    // The client has it while the guard is still at it.
    more.resolve();
    gate.resolve();
  }
  const data = eventsOf(text);
  assert.equal(data.at(-1), "[DONE]");
  assert.match(text, /"finish_reason":"content_filter"/);
  assert.ok((text.match(/and of that/g) ?? []).length < 40, "it was cut");
  assert.equal(seen[0], "A harmless beginning. ");
  const [record] = await recordsOf(gateway, 1, "incomplete");
  assert.match(JSON.stringify(record.meta), /filtered/);
});

Deno.test("with `release: first` the end waits for the last verdict", async () => {
  const events = words("Short ", "bomb.");
  await using s = await stand(() => sse(events), { release: "first", window: 1000 });
  const { text } = await s.ask({ stream: true });
  assert.match(text, /bomb/);
  assert.match(text, /content_filter/);
  assert.ok(!/"finish_reason":"stop"/.test(text));
  await using fine = await stand(() => sse(words("Nothing", " bad.")), { release: "first" });
  assert.equal(
    (await fine.ask({ stream: true })).text,
    await sse(words("Nothing", " bad.")).text(),
  );
});

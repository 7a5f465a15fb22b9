// Policies on answers, from outside: what a client of each API sees of an answer with forbidden words in
// it, streamed and whole, and what becomes of it when an instance dies in the middle.

import assert from "node:assert/strict";
import { startFleet } from "../faults/fleet.ts";
import { readSse, type SseAnswer } from "../support/sse.ts";

const SAID = "The weather is fine. The password is hunter2, 賭場 and nothing more was said.";
const policy = (more: Record<string, unknown>) => ({
  name: "words",
  type: "words",
  words: ["password is hunter2", "赌场"],
  on: "answer",
  ...more,
});
const stand = (policies: unknown[], more: Record<string, unknown> = {}) =>
  startFleet({ count: 2, simulate: ["--answer", SAID], config: { policies, ...more } });

// deno-lint-ignore no-explicit-any -- tests look into many shapes
type Json = any;

/** Where an API is asked, with what, and where its text and its end stand. */
const APIS: {
  api: string;
  path: string;
  body: Record<string, unknown>;
  text(answer: SseAnswer): string;
  end(answer: SseAnswer): unknown;
  wholeText(body: Json): string;
  wholeEnd(body: Json): unknown;
  cut: unknown;
}[] = [{
  api: "chat",
  path: "/v1/chat/completions",
  body: { messages: [{ role: "user", content: "hi" }] },
  text: ({ json }) => json.map((one) => one.choices[0]?.delta?.content ?? "").join(""),
  end: ({ json }) =>
    json.flatMap((one) => one.choices).findLast((one) => one.finish_reason)
      ?.finish_reason,
  wholeText: (body) => body.choices[0].message.content,
  wholeEnd: (body) => body.choices[0].finish_reason,
  cut: "content_filter",
}, {
  api: "completions",
  path: "/v1/completions",
  body: { prompt: "hi" },
  text: ({ json }) => json.map((one) => one.choices[0]?.text ?? "").join(""),
  end: ({ json }) =>
    json.flatMap((one) => one.choices).findLast((one) => one.finish_reason)
      ?.finish_reason,
  wholeText: (body) => body.choices[0].text,
  wholeEnd: (body) => body.choices[0].finish_reason,
  cut: "content_filter",
}, {
  api: "responses",
  path: "/v1/responses",
  body: { input: "hi" },
  text: ({ json }) =>
    json.filter((one) => one.type === "response.output_text.delta").map((one) => one.delta)
      .join(""),
  end: ({ json }) => json.at(-1).response?.incomplete_details?.reason ?? json.at(-1).type,
  wholeText: (body) =>
    body.output.filter((one: Json) => one.type === "message").at(-1).content[0].text,
  wholeEnd: (body) => body.incomplete_details?.reason ?? "response.completed",
  cut: "content_filter",
}, {
  api: "messages",
  path: "/v1/messages",
  body: { messages: [{ role: "user", content: "hi" }] },
  text: ({ json }) => json.map((one) => one.delta?.text ?? "").join(""),
  end: ({ json }) => json.find((one) => one.type === "message_delta")?.delta.stop_reason,
  wholeText: (body) => body.content[0].text,
  wholeEnd: (body) => body.stop_reason,
  cut: "refusal",
}];

const AT = SAID.indexOf("password");
const MASKED = SAID.replace("password is hunter2", "*".repeat(19)).replace("賭場", "**");

for (const { api, path, body, text, end, wholeText, wholeEnd, cut } of APIS) {
  const ask = { model: "demo", max_tokens: 200, ...body };

  Deno.test(`46,49,52: ${api} is cut alike on a stream and as a whole`, async () => {
    await using fleet = await stand([policy({ action: "cut" })]);
    const streamed = await readSse(await fleet.gateway.post(path, { ...ask, stream: true }));
    assert.equal(streamed.error, null);
    assert.equal(text(streamed), SAID.slice(0, AT));
    assert.equal(end(streamed), cut);
    assert.equal(
      streamed.events.filter(({ data }) => data === "[DONE]").length,
      api === "chat" || api === "completions" ? 1 : 0,
    );
    const raw = streamed.events.map(({ data }) => data).join("");
    assert.ok(!raw.includes("hunter2"), "nothing behind the cut, in no form");
    const numbers = streamed.json.map((one) => one.sequence_number);
    if (api === "responses") assert.deepEqual(numbers, numbers.map((_, at) => at), "49: no gaps");
    const whole = await (await fleet.gateway.post(path, ask)).json();
    assert.equal(wholeText(whole), SAID.slice(0, AT));
    assert.equal(wholeEnd(whole), cut);
    await fleet.settled();
    const { instances } = await fleet.health();
    for (const { in_flight, recent_errors } of instances) {
      assert.deepEqual([in_flight, recent_errors], [0, 0], "48: an instance did nothing wrong");
    }
    const asked = (await fleet.counts()).reduce((sum, count) => sum + count, 0);
    assert.equal(asked, 2, "45: what was cut is not resumed");
    if (api === "responses") {
      const kept = await fetch(`${fleet.gateway.url}/v1/responses/${whole.id}`);
      assert.equal(wholeText(await kept.json()), SAID.slice(0, AT), "46: fetched later, too");
    }
    const { incomplete } = await fleet.records(0, 2);
    for (const { meta, conversations } of incomplete) {
      assert.equal(meta.outcome, "filtered", "never among the training data");
      assert.ok(!JSON.stringify(conversations).includes("hunter2"));
    }
  });

  Deno.test(`46,47,52: ${api} is masked alike on a stream and as a whole`, async () => {
    await using fleet = await stand([policy({ action: "mask" })]);
    const response = await fleet.gateway.post(path, { ...ask, stream: true });
    const streamed = await readSse(response);
    assert.equal(text(streamed), MASKED);
    assert.notEqual(end(streamed), cut);
    assert.ok(!streamed.events.some(({ data }) => /hunter2|賭場/.test(data)), "no copy of it");
    const whole = await (await fleet.gateway.post(path, ask)).json();
    assert.equal(wholeText(whole), MASKED);
    assert.ok(!/hunter2|賭場/.test(JSON.stringify(whole)));
    const { complete } = await fleet.records(2, 0);
    for (const { meta } of complete) {
      assert.deepEqual(meta.policies, [{
        name: "words",
        mode: "enforce",
        action: "mask",
        stage: "answer",
        channel: "content",
        choice: 0,
        count: 2,
      }]);
    }
  });

  Deno.test(`41: ${api} passes byte for byte where nothing was found`, async () => {
    await using fleet = await stand([
      policy({ action: "cut", words: ["weather is bad", "The past"] }),
    ]);
    await using bare = await stand([]);
    for (const stream of [true, false]) {
      const strip = (answer: string) =>
        answer.replace(/"(id|item_id|created|created_at|completed_at)":("[^"]*"|[\d.]+)/g, "")
          .replace(/(chatcmpl|cmpl|resp|msg|rs)[-_][0-9a-f-]+/g, "");
      const seen = await (await fleet.gateway.post(path, { ...ask, stream })).text();
      const plain = await (await bare.gateway.post(path, { ...ask, stream })).text();
      assert.equal(strip(seen), strip(plain));
    }
  });

  Deno.test(`45: ${api} goes on from what was generated, and is masked through the break`, async () => {
    await using fleet = await stand([policy({ action: "mask" })]);
    const direct = await readSse(await fleet.gateway.post(path, { ...ask, stream: true }));
    // In the middle of the phrase.
    for (const at of [8, 9, 10, 11, 12]) {
      await fleet.simulators.fail(0, `cut:${at}`, { count: 1 });
      await fleet.simulators.fail(1, `cut:${at}`, { count: 1 });
      const streamed = await readSse(await fleet.gateway.post(path, { ...ask, stream: true }));
      assert.equal(streamed.error, null);
      assert.equal(text(streamed), text(direct), `cut:${at}`);
    }
    const { complete } = await fleet.records(6, 0);
    const resumed = complete.filter(({ meta }) => meta.resumed !== undefined);
    assert.ok(resumed.length >= 4, `${resumed.length} broke and went on`);
  });
}

Deno.test("48: one choice is cut, and the others go on", async () => {
  await using fleet = await stand([policy({ action: "cut" })]);
  const { path, body } = APIS[0];
  const ask = { model: "demo", max_tokens: 200, n: 3, stream: true, ...body };
  const withUsage = { ...ask, stream_options: { include_usage: true } };
  const { json, done } = await readSse(await fleet.gateway.post(path, withUsage));
  const ends = json.flatMap((one) => one.choices).filter((one) => one.finish_reason);
  assert.deepEqual(ends.map((one) => one.finish_reason), Array(3).fill("content_filter"));
  assert.equal(json.filter((one) => one.usage).length, 1, "50: usage once");
  assert.ok(json.findLast((one) => one.usage).usage.completion_tokens > 0);
  assert.ok(done);
});

Deno.test("56: a policy in audit mode changes no byte and is counted", async () => {
  await using fleet = await stand([policy({ action: "cut", mode: "audit" })]);
  const { path, body, text } = APIS[0];
  const ask = { model: "demo", max_tokens: 200, stream: true, ...body };
  assert.equal(text(await readSse(await fleet.gateway.post(path, ask))), SAID);
  const { complete } = await fleet.records(1, 0);
  const [hit] = complete[0].meta.policies as Json[];
  assert.equal(hit.mode, "audit");
  assert.equal(hit.count, 2);
});

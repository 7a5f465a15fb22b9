// No status goes to a client before an instance has proved itself: what goes wrong up to the first
// event that means something stays out of sight, also when comments have kept the client waiting.

import assert from "node:assert/strict";
import { chatText, readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import {
  assertNothingRecorded,
  chatBody,
  errorOf,
  exactRecordsOf,
  settled,
  startFleet,
  startGatewayFor,
} from "./fleet.ts";
import { chunk, completion, startOddServer, whole } from "./odd_server.ts";

const STREAM = "content-type: text/event-stream\r\n";

for (
  const [fault, said] of [
    ["error-event:0", /it sent an error: Internal server error/],
    ["empty", /ended the stream before the answer began/],
    ["empty-done", /it ended the stream before the answer was whole/],
    ["cut:0", /the connection broke in the middle of the answer/],
    ["cut-reset:0", /the connection broke in the middle of the answer/],
    ["cut-clean:0", /ended the stream before the answer began/],
    ["malformed:0", /it sent a malformed event/],
    ["reset", /it closed the connection before it answered/],
    ["500", /answered 500/],
    ["503", /answered 503/],
  ] as const
) {
  Deno.test(`${fault} in a stream: another instance answers, and nothing of it shows`, async () => {
    await using fleet = await startFleet();
    const expected = chatText(await readSse(await fleet.chat({ stream: true })));
    await fleet.simulators.fail(0, fault);
    const before = await fleet.counts();
    for (let i = 0; i < 3; i++) {
      const response = await fleet.chat({ stream: true });
      assert.equal(response.headers.get("x-gateway-instance"), "sim-1");
      const answer = await readSse(response);
      assert.ok(answer.done);
      assert.deepEqual(chatText(answer), expected);
      assert.equal(new Set(answer.json.map(({ id }) => id)).size, 1);
      assert.ok(answer.json.every(({ error }) => error === undefined));
    }
    const after = await fleet.counts();
    const met = after[0] - before[0];
    assert.ok(met >= 1 && met <= 3, `asked at most once for each request, not ${met}`);
    assert.equal(after[1] - before[1], 3);
    const { complete } = await fleet.records(4, 0);
    const failed = complete.flatMap(({ meta }) => meta.attempts ?? []).filter(({ error }) => error);
    // A request on a kept connection that is reset before the answer is sent once more, uncounted.
    const repeats = fault === "reset" ? 1 : 0;
    assert.ok(failed.length === met || failed.length === met - repeats, `${failed.length}, ${met}`);
    for (const { error } of failed) assert.match(error!, said);
    assert.ok(complete.every(({ meta }) => meta.resumed === undefined), "nothing to resume");
    await fleet.settled();
  });
}

for (const path of ["/v1/completions", "/v1/messages", "/v1/responses"]) {
  Deno.test(`${path}: an error before the first event is asked elsewhere`, async () => {
    await using fleet = await startFleet();
    const body = {
      model: "demo",
      stream: true,
      prompt: "once upon a time",
      input: "once upon a time",
      messages: [{ role: "user", content: "hello" }],
      max_tokens: 8,
    };
    for (const fault of ["error-event:0", "cut-reset:0", "empty"]) {
      await fleet.simulators.reset(0);
      await fleet.simulators.fail(0, fault);
      for (let i = 0; i < 2; i++) {
        const response = await fleet.gateway.post(path, body);
        assert.equal(response.headers.get("x-gateway-instance"), "sim-1", fault);
        const answer = await readSse(response);
        assert.equal(answer.error, null);
        assert.ok(answer.events.length > 2);
        assert.ok(answer.events.every(({ event }) => event !== "error"));
      }
      assert.ok((await fleet.counts())[0] >= 1);
    }
    await fleet.settled();
  });
}

for (const fault of ["empty", "empty-done", "error-event:0", "cut:0", "cut-clean:0"]) {
  Deno.test(`${fault} from everybody is an error with a status, never an empty 200`, async () => {
    await using fleet = await startFleet({ fallbacks: 1, config: { retry: { max_wait: 0 } } });
    for (const index of [0, 1, 2]) await fleet.simulators.fail(index, fault);
    const error = await errorOf(await fleet.chat({ stream: true }), 502, "BadGatewayError");
    for (const name of ["sim-0", "sim-1", "paid-0"]) {
      assert.match(error.message, new RegExp(`${name}: `));
    }
    assert.deepEqual(await fleet.counts(), [1, 1, 1]);
    await fleet.records(0, 1);
    await fleet.settled();
  });
}

Deno.test("an instance that said only the role has proved nothing", async () => {
  for (
    const end of [
      "",
      "data: [DONE]\n\n",
      'data: {"error":{"message":"out of memory","type":"InternalServerError","code":500}}\n\n',
      chunk({}, "abort"),
    ]
  ) {
    await using broken = await startOddServer((call) => {
      call.write(whole(chunk({ role: "assistant", content: "" }) + end, STREAM));
    });
    await using fleet = await startFleet({
      each: (index) => index === 0 ? { url: broken.url } : {},
    });
    for (let i = 0; i < 2; i++) {
      const response = await fleet.chat({ stream: true });
      assert.equal(response.headers.get("x-gateway-instance"), "sim-1");
      const answer = await readSse(response);
      assert.ok(answer.done && answer.json.every(({ id }) => id !== "chatcmpl-odd"));
    }
    assert.ok(broken.calls.length >= 1);
    await fleet.records(2, 0);
    await fleet.settled();
  }
});

Deno.test("several answers at once that fail in their first piece are asked elsewhere", async () => {
  const error = 'data: {"error":{"message":"out of memory","code":500}}\n\n';
  await using broken = await startOddServer((call) => {
    call.write(whole(chunk({ role: "assistant", content: "first" }) + error, STREAM));
  });
  await using fleet = await startFleet({
    each: (index) => index === 0 ? { url: broken.url } : {},
  });
  for (let i = 0; i < 2; i++) {
    const answer = await readSse(await fleet.chat({ stream: true, n: 2 }));
    assert.ok(answer.done && answer.json.every(({ id }) => id !== "chatcmpl-odd"));
    for (const index of [0, 1]) assert.ok(chatText(answer, index).finishReason);
  }
  assert.ok(broken.calls.length >= 1);
  await fleet.records(4, 0);
  await fleet.settled();
});

Deno.test("an answer of no text that ends properly is an answer", async () => {
  const events = chunk({ role: "assistant", content: "" }) + chunk({}, "stop") + "data: [DONE]\n\n";
  await using brief = await startOddServer((call) => call.write(whole(events, STREAM)));
  await using gateway = await startGatewayFor([brief.url]);
  const response = await gateway.post("/v1/chat/completions", chatBody({ stream: true }));
  assert.equal(response.status, 200);
  assert.equal(await response.text(), events);
  assert.equal(brief.calls.length, 1);
  await settled(gateway);
});

for (const fault of ["slow-head", "split", "drip"]) {
  Deno.test(`${fault}: a healthy answer in odd pieces passes byte for byte`, async () => {
    await using fleet = await startFleet({ count: 1 });
    const expected = chatText(await readSse(await fleet.chat({ stream: true })));
    await fleet.simulators.fail(0, fault);
    const answer = await readSse(await fleet.chat({ stream: true }));
    assert.ok(answer.done);
    assert.deepEqual(chatText(answer), expected);
    assert.deepEqual(await fleet.counts(), [2]);
    await fleet.records(2, 0);
    await fleet.settled();
  });
}

/** How many comments a body begins with, and what follows them. */
function afterComments(text: string): { comments: number; rest: string } {
  const comments = /^(?:: keepalive\n\n)*/.exec(text)![0].length / ": keepalive\n\n".length;
  return { comments, rest: text.slice(comments * ": keepalive\n\n".length) };
}

Deno.test("keepalive: a client that waits long gets comments, then the whole answer", async () => {
  await using fleet = await startFleet({
    count: 1,
    simulate: ["--ttft", "2"],
    config: { keepalive: 0.1 },
  });
  const response = await fleet.chat({ stream: true });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type")!, /^text\/event-stream/);
  assert.ok(response.headers.get("x-request-id"));
  const { comments, rest } = afterComments(await response.text());
  assert.ok(comments >= 2, `${comments} comments`);
  assert.ok(!rest.includes("keepalive"), "none between the answer's events");
  const answer = await readSse(new Response(rest));
  assert.ok(answer.done && chatText(answer).content);
  // Who did not ask for a stream cannot read comments.
  const whole = await fleet.chat();
  assert.equal(whole.headers.get("content-type"), "application/json");
  assert.ok((await whole.json()).choices[0].message.content);
  await fleet.records(2, 0);
  await fleet.settled();
});

for (const fault of ["hang", "hang-headers-sent", "stall:0"]) {
  Deno.test(`keepalive, ${fault}: after comments another instance can still answer`, async () => {
    await using fleet = await startFleet({
      config: { keepalive: 0.1 },
      each: (index) => index === 0 ? { timeouts: { first_byte: 2 } } : {},
    });
    await fleet.simulators.fail(0, fault);
    let waited = 0;
    for (let i = 0; i < 2; i++) {
      const response = await fleet.chat({ stream: true });
      assert.equal(response.status, 200);
      const { comments, rest } = afterComments(await response.text());
      if (comments >= 2) waited++;
      const answer = await readSse(new Response(rest));
      assert.ok(answer.done && chatText(answer).content);
      const choices = answer.json.flatMap(({ choices }) => choices);
      assert.equal(choices.filter(({ delta }) => delta.role).length, 1, "one role");
    }
    assert.ok(waited >= 1, "a client waited for the silent one");
    const [first, second] = await fleet.counts();
    assert.equal(second, 2);
    assert.ok(first >= 1 && first <= 2);
    await waitFor(
      async () => (await fleet.asked(0)).every(({ aborted }) => aborted),
      "the silent one to be left",
    );
    await fleet.records(2, 0);
    await fleet.settled();
  });
}

for (
  const [path, expected] of [
    ["/v1/chat/completions", /^data: \{"error":\{"message":"[^"]+","type":"GatewayTimeoutError"/],
    ["/v1/messages", /^event: error\ndata: \{"type":"error","error":\{"type":"api_error"/],
  ] as const
) {
  Deno.test(`keepalive, ${path}: after comments a failure is an error event, without [DONE]`, async () => {
    await using fleet = await startFleet({
      count: 1,
      config: { keepalive: 0.1, timeouts: { first_byte: 2 } },
    });
    await fleet.simulators.fail(0, "hang");
    const response = await fleet.gateway.post(path, chatBody({ stream: true }));
    assert.equal(response.status, 200);
    const { comments, rest } = afterComments(await response.text());
    assert.ok(comments >= 1);
    assert.match(rest, expected);
    assert.match(rest, /no answer within 2 s \(timeouts\.first_byte\)/);
    assert.ok(!rest.includes("[DONE]"));
    assert.deepEqual(await fleet.counts(), [1]);
    await fleet.records(0, 1);
    await fleet.settled();
  });
}

Deno.test("keepalive: what streams something else than events gets no comments", async () => {
  const sound = "RIFF and so on";
  await using slow = await startOddServer((call) => {
    setTimeout(() => call.write(whole(sound, "content-type: audio/wav\r\n")), 2000);
  });
  await using gateway = await startGatewayFor([slow.url], { keepalive: 0.1 });
  const body = { model: "demo", input: "hi", stream: true };
  const response = await gateway.post("/v1/audio/speech", body);
  assert.equal(response.headers.get("content-type"), "audio/wav");
  assert.equal(await response.text(), sound);
  await settled(gateway);
});

Deno.test("keepalive: after comments an answer that is no stream of events is an error", async () => {
  for (
    const [answer, says] of [
      [whole(completion("not streamed")), /did not answer with a stream/],
      [whole("packed", STREAM + "content-encoding: gzip\r\n"), /is not proper gzip/],
    ] as const
  ) {
    await using slow = await startOddServer((call) => {
      setTimeout(() => call.write(answer), 2000);
    });
    await using gateway = await startGatewayFor([slow.url], { keepalive: 0.1 });
    const response = await gateway.post("/v1/chat/completions", chatBody({ stream: true }));
    const { comments, rest } = afterComments(await response.text());
    assert.ok(comments >= 1);
    const read = await readSse(new Response(rest));
    assert.ok(!read.done && read.json.length === 1);
    assert.equal(read.json[0].error.code, 502);
    assert.match(read.json[0].error.message, says);
    await settled(gateway);
    await exactRecordsOf(gateway, 0, 1);
  }
});

Deno.test("keepalive: after comments the client's own mistake is told in the instance's words", async () => {
  const error =
    '{"error":{"message":"no such tool","type":"BadRequestError","param":null,"code":400}}';
  await using slow = await startOddServer((call) => {
    setTimeout(() => {
      call.write(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n" +
          `content-length: ${error.length}\r\n\r\n${error}`,
      );
    }, 2000);
  });
  await using gateway = await startGatewayFor([slow.url], { keepalive: 0.1 });
  const response = await gateway.post("/v1/chat/completions", chatBody({ stream: true }));
  const { comments, rest } = afterComments(await response.text());
  assert.ok(comments >= 1);
  const answer = await readSse(new Response(rest));
  assert.deepEqual(answer.json, [JSON.parse(error)]);
  assert.ok(!answer.done);
  assert.equal(slow.calls.length, 1);
  await settled(gateway);
  await assertNothingRecorded(gateway);
});

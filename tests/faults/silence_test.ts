// An instance that fails after a long silence is not asked again while a fallback waits: the time that it
// took says more of it than the way in which it ended.

import assert from "node:assert/strict";
import { chatText, readSse } from "../support/sse.ts";
import { startGateway } from "../support/processes.ts";
import { chatBody } from "./fleet.ts";
import { chunk, completion, type OddCall, startOddServer, whole } from "./odd_server.ts";

const SILENCE_MS = 3500;
/** Deno's fetch sends a request once more by itself where a kept connection is closed without an answer. */
const MOST_ASKED = Deno.env.get("TEST_TRANSPORT") === "fetch" ? 2 : 1;
const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

const ENDS: Record<string, (call: OddCall) => void> = {
  "resets the connection": (call) => call.reset(),
  "closes the connection": (call) => call.end(),
  "answers 503": (call) =>
    call.write("HTTP/1.1 503 No\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"),
};

for (const stream of [true, false]) {
  for (const [how, end] of Object.entries(ENDS)) {
    Deno.test(`silent for long, then it ${how}: the fallback is next, ${stream ? "streamed" : "whole"}`, async () => {
      let asked = 0;
      await using silent = await startOddServer((call) => {
        if (!call.path.endsWith("/completions")) return call.write(whole("{}"));
        // Its kept connection is what the next request goes out on.
        if (call.text.includes("warm up")) return call.write(whole(completion("warm")));
        asked++;
        setTimeout(() => end(call), SILENCE_MS);
      });
      await using fallback = await startOddServer((call) => {
        if (!stream) return call.write(whole(completion("from elsewhere")));
        call.write(HEAD + chunk({ role: "assistant", content: "from elsewhere" }));
        call.write(chunk({}, "stop") + "data: [DONE]\n\n");
        call.end();
      });
      await using gateway = await startGateway({
        config: {
          instances: [{ url: silent.url, model_name: "demo", name: "silent" }],
          fallback_instances: [{ url: fallback.url, model_name: "demo", name: "paid" }],
          health_check: { interval: 1 },
        },
      });
      const first = chatBody({ messages: [{ role: "user", content: "warm up" }] });
      const warm = await gateway.post("/v1/chat/completions", first);
      assert.equal((await warm.json()).choices[0].message.content, "warm");
      const response = await gateway.post("/v1/chat/completions", chatBody({ stream }));
      assert.equal(response.headers.get("x-gateway-instance"), "paid");
      const text = stream
        ? chatText(await readSse(response)).content
        : (await response.json()).choices[0].message.content;
      assert.equal(text, "from elsewhere");
      assert.ok(asked >= 1 && asked <= MOST_ASKED, `asked ${asked} times`);
    });
  }
}

Deno.test("a stream that stalls for long and breaks goes on at the fallback", async () => {
  let asked = 0;
  await using stalling = await startOddServer((call) => {
    asked++;
    call.write(HEAD + chunk({ role: "assistant", content: "begun" }));
    setTimeout(() => call.end(), SILENCE_MS);
  });
  await using fallback = await startOddServer((call) => {
    call.write(HEAD + chunk({ role: "assistant", content: " and ended" }));
    call.write(chunk({}, "stop") + "data: [DONE]\n\n");
    call.end();
  });
  await using gateway = await startGateway({
    config: {
      instances: [{ url: stalling.url, model_name: "demo", name: "stalling" }],
      fallback_instances: [{ url: fallback.url, model_name: "demo", name: "paid" }],
      health_check: false,
      resume: "continue",
    },
  });
  const answer = await readSse(
    await gateway.post("/v1/chat/completions", chatBody({ stream: true })),
  );
  assert.ok(answer.done);
  assert.equal(chatText(answer).content, "begun and ended");
  assert.equal(asked, 1);
});

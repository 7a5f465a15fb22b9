// A stop string of which one instance has written the first half and the next one the second, where an answer
// goes on by its words: neither knows it, and the answer ends there all the same.

import assert from "node:assert/strict";
import { startGateway } from "../support/processes.ts";
import { readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { type OddCall, startOddServer } from "./odd_server.ts";

const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const ASKED = {
  "/v1/chat/completions": { messages: [{ role: "user", content: "hi" }] },
  "/v1/completions": { prompt: "hi" },
};

for (const [path, asked] of Object.entries(ASKED)) {
  const event = (text: string, ids?: number[], more: object = {}) => {
    const said = path.includes("chat") ? { delta: { content: text } } : { text };
    const choice = { index: 0, ...said, finish_reason: null, token_ids: ids };
    return `data: ${
      JSON.stringify({ id: "c", created: 1, model: "m", choices: [choice], ...more })
    }\n\n`;
  };
  for (const knowsIds of [true, false]) {
    const name = knowsIds ? "" : ", nor the ids of its tokens";
    Deno.test(`${path}: an instance that has not seen the stop string${name} is left at it`, async () => {
      const goingOn: OddCall[] = [];
      await using server = await startOddServer((call) => {
        if (call.path !== path) return call.reset();
        const prompt = knowsIds ? { prompt_token_ids: [1, 2, 3] } : {};
        const ids = (id: number) => knowsIds ? [id] : undefined;
        if (goingOn.length === 0 && !call.text.includes("Well, E")) {
          call.write(HEAD + event("Well, ", ids(4), prompt) + event("E", ids(5)));
          setTimeout(() => call.reset(), 50);
          return;
        }
        goingOn.push(call);
        call.write(HEAD + event("N") + event("D of"));
        const timer = setInterval(() => {
          if (call.closed) clearInterval(timer);
          else call.write(event(" it"));
        }, 20);
      });
      await using gateway = await startGateway({
        config: {
          instances: [{ url: server.url, model_name: "m" }],
          resume: "continue",
          health_check: false,
        },
      });
      const response = await gateway.post(path, {
        ...{ model: "m", stream: true, stop: ["END"], max_tokens: 10_000, ...asked },
        stream_options: { include_usage: true },
      });
      const { json, done } = await readSse(response);
      assert.ok(done);
      const choices = json.flatMap((chunk) => chunk.choices);
      assert.equal(
        choices.map(({ text, delta }) => text ?? delta.content ?? "").join(""),
        "Well, E",
      );
      const ends = choices.filter((one) => one.finish_reason);
      assert.deepEqual(ends.map((one) => [one.finish_reason, one.stop_reason]), [["stop", "END"]]);
      const told = json.flatMap(({ usage }) => usage ?? []);
      const figures = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 };
      // Nobody is waited for who might tell them to the very last.
      assert.deepEqual(told, knowsIds ? [figures] : []);
      assert.equal(goingOn.length, 1);
      await waitFor(() => goingOn[0].closed, "the instance to be left");
    });
  }
}

Deno.test("tokens that come with the end of a stop string, and behind it, are not counted", async () => {
  const asked: Record<string, unknown>[] = [];
  const event = (text: string, ids: number[], more: object = {}) => {
    const choice = { index: 0, text, finish_reason: null, token_ids: ids, ...more };
    return `data: ${JSON.stringify({ id: "c", created: 1, model: "m", choices: [choice] })}\n\n`;
  };
  await using server = await startOddServer((call) => {
    if (call.path === "/detokenize") {
      const told = JSON.stringify({ prompt: "Well, E" });
      call.write(HEAD.replace("text/event-stream", "application/json") + told);
      return call.end();
    }
    if (call.path !== "/v1/completions") return call.reset();
    asked.push(JSON.parse(call.text.slice(call.text.indexOf("\r\n\r\n"))));
    if (asked.length === 1) {
      call.write(HEAD + event("Well, ", [4], { prompt_token_ids: [1, 2, 3] }) + event("E", [5]));
      setTimeout(() => call.reset(), 50);
      return;
    }
    const logprobs = { tokens: ["N", "D of", " it", " all"] };
    call.write(HEAD + event("ND of it all", [6, 7, 8, 9], { logprobs }));
  });
  await using gateway = await startGateway({
    config: { instances: [{ url: server.url, model_name: "m" }], health_check: false },
  });
  const response = await gateway.post("/v1/completions", {
    ...{ model: "m", stream: true, stop: ["END"], max_tokens: 100, prompt: "hi" },
    ...{ return_token_ids: true, stream_options: { include_usage: true } },
  });
  const { json, done } = await readSse(response);
  assert.ok(done);
  const choices = json.flatMap((chunk) => chunk.choices);
  assert.equal(choices.map(({ text }) => text).join(""), "Well, E");
  assert.deepEqual(choices.flatMap((choice) => choice.token_ids ?? []), [4, 5, 6, 7]);
  assert.equal(json.findLast(({ usage }) => usage)?.usage.completion_tokens, 4);
  assert.equal(asked[1].logprobs, 0);
});

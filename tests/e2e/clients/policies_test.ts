// The official clients on answers that policies have cut, masked or written otherwise, streamed and whole:
// each parses what it gets, and says what was shown.

import assert from "node:assert/strict";
import Anthropic from "npm:@anthropic-ai/sdk@1.12.0";
import OpenAI from "npm:openai@7.57.0";
import { startFleet } from "../../faults/fleet.ts";

const SAID = "The weather is fine. The password is hunter2, and nothing more was said.";
const WORD = "password is hunter2";
const AT = SAID.indexOf(WORD);
const messages = [{ role: "user" as const, content: "hi" }];
const ACTIONS = [
  { action: "cut", shown: SAID.slice(0, AT), isCut: true },
  { action: "cut", message: "[no]", shown: `${SAID.slice(0, AT)}[no]`, isCut: true },
  { action: "mask", shown: SAID.replace(WORD, "*".repeat(WORD.length)), isCut: false },
  { action: "replace", shown: SAID.replace(WORD, "[words]"), isCut: false },
];

for (const { shown, isCut, ...options } of ACTIONS) {
  const how = Object.values(options).join(" ");
  const stand = () =>
    startFleet({
      count: 1,
      simulate: ["--answer", SAID],
      config: {
        policies: [{ name: "words", type: "words", words: [WORD], on: "answer", ...options }],
      },
    });

  Deno.test(`49, 50, 52: openai: ${how}`, async (t) => {
    await using fleet = await stand();
    const baseURL = `${fleet.gateway.url}/v1`;
    const client = new OpenAI({ baseURL, apiKey: "EMPTY", maxRetries: 0 });
    const ask = { model: "demo", max_tokens: 200 };

    await t.step("chat", async () => {
      const whole = await client.chat.completions.create({ ...ask, messages });
      const [choice] = whole.choices;
      assert.equal(choice.message.content, shown);
      assert.equal(choice.finish_reason, isCut ? "content_filter" : "stop");
      const stream = client.chat.completions.stream({
        ...ask,
        messages,
        stream_options: { include_usage: true },
      });
      const last = await stream.finalChatCompletion();
      assert.equal(last.choices[0].message.content, shown);
      assert.equal(last.choices[0].finish_reason, choice.finish_reason);
      assert.ok((await stream.totalUsage()).completion_tokens > 0, "50: usage comes after a cut");
    });

    await t.step("completions", async () => {
      const whole = await client.completions.create({ ...ask, prompt: "hi" });
      assert.equal(whole.choices[0].text, shown);
      let text = "";
      let end: string | null = null;
      const stream = await client.completions.create({ ...ask, prompt: "hi", stream: true });
      for await (const { choices } of stream) {
        text += choices[0]?.text ?? "";
        end = choices[0]?.finish_reason ?? end;
      }
      assert.deepEqual([text, end], [shown, whole.choices[0].finish_reason]);
    });

    await t.step("responses", async () => {
      const asked = { model: "demo", max_output_tokens: 200, input: "hi" };
      const whole = await client.responses.create(asked);
      assert.equal(whole.output_text, shown);
      assert.equal(whole.status, isCut ? "incomplete" : "completed");
      const stream = client.responses.stream(asked);
      const numbers: number[] = [];
      const opened: string[] = [];
      for await (const event of stream) {
        numbers.push(event.sequence_number);
        if (event.type === "response.output_item.added") opened.push(event.item.id ?? "");
        if (event.type === "response.output_item.done") {
          assert.equal(opened.pop(), event.item.id, "what is opened is closed, once");
        }
      }
      assert.deepEqual(opened, []);
      assert.deepEqual(numbers, numbers.map((_, at) => at), "no gaps");
      const last = await stream.finalResponse();
      assert.equal(last.output_text, shown);
      assert.equal(last.incomplete_details?.reason, isCut ? "content_filter" : undefined);
    });
  });

  Deno.test(`49, 52: anthropic: ${how}`, async () => {
    await using fleet = await stand();
    const baseURL = fleet.gateway.url;
    const client = new Anthropic({ baseURL, apiKey: "EMPTY", maxRetries: 0 });
    const ask = { model: "demo", messages, max_tokens: 200 };
    const whole = await client.messages.create(ask);
    const text = whole.content.map((block) => block.type === "text" ? block.text : "").join("");
    assert.equal(text, shown);
    assert.equal(whole.stop_reason, isCut ? "refusal" : "end_turn");
    const stream = client.messages.stream(ask);
    const last = await stream.finalMessage();
    assert.equal(
      last.content.map((block) => block.type === "text" ? block.text : "").join(""),
      shown,
    );
    assert.equal(last.stop_reason, whole.stop_reason);
  });
}

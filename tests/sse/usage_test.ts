// Token counts of an answer, whoever tells them and in however many events.

import assert from "node:assert/strict";
import { SseObserver } from "../../lib/sse/observer.ts";
import { usageIn, usageOf, usageOfBody } from "../../lib/sse/usage.ts";

const encoder = new TextEncoder();

function usageOfStream(events: readonly object[]) {
  const reader = new SseObserver(true, 1, null);
  for (const event of events) {
    const { type } = event as { type?: string };
    const name = type === undefined ? "" : `event: ${type}\n`;
    reader.take(encoder.encode(`${name}data: ${JSON.stringify(event)}\n\n`));
  }
  return reader.usage;
}

Deno.test("figures that are no counts are none, as text and as a body", () => {
  const said = { prompt_tokens: 12, completion_tokens: 7 };
  for (const odd of ["-5", "1e400", "99999999999999999999"]) {
    for (const name of ["prompt_tokens", "completion_tokens"]) {
      const text = JSON.stringify({ usage: said }).replace(new RegExp(`(?<="${name}":)\\d+`), odd);
      const found = usageOf(JSON.parse(text))!;
      assert.ok(Number.isSafeInteger(found.promptTokens) && found.promptTokens >= 0, text);
      assert.ok(Number.isSafeInteger(found.completionTokens) && found.completionTokens >= 0, text);
      const read = usageIn(text)!;
      assert.ok(Number.isSafeInteger(read.promptTokens + read.completionTokens), text);
    }
  }
});

Deno.test("access 17: cached tokens are a part of OpenAI's prompt, and stand beside Anthropic's input", () => {
  const openAi = {
    prompt_tokens: 100,
    completion_tokens: 7,
    prompt_tokens_details: { cached_tokens: 60 },
  };
  const anthropic = {
    input_tokens: 30,
    cache_read_input_tokens: 60,
    cache_creation_input_tokens: 10,
    output_tokens: 7,
  };
  const responses = {
    input_tokens: 100,
    input_tokens_details: { cached_tokens: 60 },
    output_tokens: 7,
    output_tokens_details: { reasoning_tokens: 3 },
    total_tokens: 107,
  };
  for (const usage of [openAi, anthropic, responses]) {
    assert.deepEqual(usageOf({ usage }), usageIn(JSON.stringify({ usage })));
    assert.deepEqual(usageIn(JSON.stringify({ usage })), {
      promptTokens: 100,
      completionTokens: 7,
      cachedTokens: 60,
    });
  }
});

Deno.test("access 17: a message that tells its prompt at the beginning alone has it at the end, too", () => {
  const start = (usage: object) => ({ type: "message_start", message: { content: [], usage } });
  const text = {
    type: "content_block_delta",
    index: 0,
    delta: { type: "text_delta", text: "hi" },
  };
  const end = (usage: object) => ({
    type: "message_delta",
    delta: { stop_reason: "end_turn" },
    usage,
  });
  const expected = { promptTokens: 100, completionTokens: 7, cachedTokens: 60 };
  // Anthropic: the prompt in the first event alone.
  assert.deepEqual(
    usageOfStream([
      start({ input_tokens: 40, cache_read_input_tokens: 60, output_tokens: 1 }),
      text,
      end({ output_tokens: 7 }),
    ]),
    expected,
  );
  // vLLM: what was cached is known at the end, and the input is told again without it.
  assert.deepEqual(
    usageOfStream([
      start({ input_tokens: 100, output_tokens: 0 }),
      text,
      end({ input_tokens: 40, cache_read_input_tokens: 60, output_tokens: 7 }),
    ]),
    expected,
  );
});

Deno.test("figures of a body stand wherever its server puts them, and not in what it says", () => {
  const usage = { prompt_tokens: 700, completion_tokens: 8, prompt_tokens_details: null };
  const choices = [{ message: { content: 'say "usage": {"prompt_tokens": 1}' } }];
  const ids = Array.from({ length: 700 }, (_, id) => id);
  const logprobs = ids.map((id) => ({ [id]: { logprob: 0, decoded_token: "usage" } }));
  for (
    const body of [
      { choices, usage },
      { usage, choices },
      { choices, usage, prompt_token_ids: ids },
      { choices, usage, prompt_logprobs: logprobs },
    ]
  ) {
    assert.deepEqual(usageOfBody(encoder.encode(JSON.stringify(body))), {
      promptTokens: 700,
      completionTokens: 8,
      cachedTokens: null,
    });
  }
  const none = { choices, usage: null, prompt_token_ids: ids };
  assert.equal(usageOfBody(encoder.encode(JSON.stringify(none))), null);
});

// An answer that another voice goes on with, at any event, is for its client the answer of one server.

import Anthropic from "npm:@anthropic-ai/sdk@1.12.0";
import assert from "node:assert/strict";
import OpenAI from "npm:openai@7.57.0";
import type { Json, StreamEvent } from "../../lib/api/dialect.ts";
import { type Api, dialectOf } from "../../lib/api/dialects.ts";
import type { Voice, VoiceEnd } from "../../lib/api/voice.ts";
import { eventsIn } from "../../lib/api/wire.ts";
import { assemble } from "../../lib/sse/assemble/assemble.ts";
import { EventStore } from "../../lib/sse/event_store.ts";
import { answerIn } from "./samples.ts";

const END: VoiceEnd = {
  reason: "stop",
  stopReason: null,
  usage: { promptTokens: 30, completionTokens: 7, cachedTokens: null },
  tellsUsage: true,
};
const WHOLE = { reasoning: "Hmm.", content: 'Hello "you"', name: "f", arguments: '{"x":1}' };
const encoder = new TextEncoder();

function voiceOf(api: Api, sent: readonly StreamEvent[]): Voice {
  return dialectOf(api).voice!(sent);
}

function parsed(text: string): StreamEvent[] {
  return [...eventsIn([encoder.encode(text)])];
}

/** Says what is missing of WHOLE after the events `sent`. */
function rest(api: Api, sent: readonly StreamEvent[], end: VoiceEnd = END): string {
  const had: Record<string, string> = { reasoning: "", content: "", arguments: "" };
  let called = false;
  for (const { data, name } of sent) {
    for (const { channel, text, repeats } of dialectOf(api).texts(data, name)) {
      if (!repeats) had[channel] += text;
    }
    called ||= JSON.stringify(data).includes('"name":"f"');
  }
  const voice = voiceOf(api, sent);
  let said = "";
  for (const channel of ["reasoning", "content"] as const) {
    for (const char of WHOLE[channel].slice(had[channel].length)) said += voice.say(channel, char);
  }
  if (!called) said += voice.call("f");
  for (const char of WHOLE.arguments.slice(had.arguments.length)) said += voice.give(char);
  return said + voice.end(end);
}

function bytesOf(events: readonly StreamEvent[]): Uint8Array[] {
  return events.map(({ data, name }) =>
    encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
  );
}

function answerOf(api: Api, events: readonly StreamEvent[]) {
  const store = new EventStore(1 << 20);
  for (const bytes of bytesOf(events)) store.push(bytes, 0, bytes.length);
  return assemble(dialectOf(api).assembler(), store);
}

for (const api of ["messages", "responses"] as const) {
  Deno.test(`${api}: cut at any event, the words, the call and the end are those of one answer`, () => {
    const events = answerIn(api);
    for (let cut = 1; cut <= events.length; cut++) {
      const sent = events.slice(0, cut);
      const answer = answerOf(api, [...sent, ...parsed(rest(api, sent))]);
      const [choice] = answer.choices;
      assert.ok(answer.complete, `cut at ${cut}`);
      assert.equal(choice.finishReason, "tool_calls");
      assert.equal(choice.message.content, WHOLE.content, `cut at ${cut}`);
      assert.equal(choice.message.reasoning, WHOLE.reasoning, `cut at ${cut}`);
      assert.deepEqual(choice.message.tool_calls?.map((call) => call.function), [
        { name: "f", arguments: WHOLE.arguments },
      ], `cut at ${cut}`);
    }
  });
}

Deno.test("messages: blocks follow each other, each opened and closed once, under one index", () => {
  const events = answerIn("messages");
  for (let cut = 1; cut <= events.length; cut++) {
    const sent = events.slice(0, cut);
    let open: unknown = null;
    let next = 0;
    for (const { data, name } of [...sent, ...parsed(rest("messages", sent))]) {
      assert.equal(name, data.type);
      if (data.type === "content_block_start") {
        assert.equal(open, null, `cut at ${cut}: one block at a time`);
        assert.equal(data.index, next++);
        open = data.index;
      } else if (data.type === "content_block_delta") assert.equal(data.index, open);
      else if (data.type === "content_block_stop") {
        assert.equal(data.index, open);
        open = null;
      } else assert.equal(open, null, `cut at ${cut}: ${data.type}`);
    }
    assert.equal(next, 3, `cut at ${cut}`);
  }
});

Deno.test("messages: the end says why, with the stop string, and what all of it has cost", () => {
  const start = answerIn("messages").slice(0, 1);
  const said = (end: Partial<VoiceEnd>, calls?: string) => {
    const voice = voiceOf("messages", start);
    let text = voice.say("content", "Hi");
    if (calls !== undefined) text += voice.call("f") + voice.give(calls);
    const events = parsed(text + voice.end({ ...END, ...end }));
    return events.find(({ data }) => data.type === "message_delta")!.data;
  };
  // The first stream had told 3 tokens of the prompt: that figure stays.
  assert.deepEqual(said({}).usage, { input_tokens: 3, output_tokens: 7 });
  assert.deepEqual(said({}).delta, { stop_reason: "end_turn", stop_sequence: null });
  assert.deepEqual(said({ reason: "length" }, "{}").delta, {
    stop_reason: "max_tokens",
    stop_sequence: null,
  });
  assert.deepEqual(said({ stopReason: "END" }).delta, {
    stop_reason: "stop_sequence",
    stop_sequence: "END",
  });
  assert.deepEqual(said({ stopReason: "END" }, '{"a"').delta, {
    stop_reason: "stop_sequence",
    stop_sequence: "END",
  });
  assert.deepEqual(said({ stopReason: 151645 }, "{}").delta, {
    stop_reason: "tool_use",
    stop_sequence: null,
  });
});

Deno.test("messages: a thought is signed once before it closes", () => {
  const sent = answerIn("messages").slice(0, 4);
  const events = parsed(rest("messages", sent));
  assert.deepEqual(
    events.slice(0, 2).map(({ data }) => (data.delta as Json | undefined)?.type ?? data.type),
    ["signature_delta", "content_block_stop"],
  );
  const signed: StreamEvent = {
    name: "content_block_delta",
    data: { ...events[0].data },
  };
  const again = parsed(rest("messages", [...sent, signed]));
  assert.equal(again[0].data.type, "content_block_stop");
});

Deno.test("responses: numbers go on without a gap, items close once, the last event has all of it", () => {
  const events = answerIn("responses");
  for (let cut = 1; cut <= events.length; cut++) {
    const sent = events.slice(0, cut);
    const all = [...sent, ...parsed(rest("responses", sent))];
    assert.deepEqual(all.map(({ data }) => data.sequence_number), all.map((_, at) => at));
    const types = all.map(({ data }) => data.type);
    const count = (type: string) => types.filter((one) => one === type).length;
    assert.equal(count("response.created"), 1);
    assert.equal(count("response.output_item.added"), 3, `cut at ${cut}`);
    assert.equal(count("response.output_item.done"), 3, `cut at ${cut}`);
    const closed = all.filter(({ data }) => /\.done$/.test(String(data.type)))
      .map(({ data }) => `${data.type} ${data.output_index}`);
    assert.equal(new Set(closed).size, closed.length, `cut at ${cut}: ${closed}`);
    assert.equal(types.at(-1), "response.completed");
    const { output, status, usage, id } = all.at(-1)!.data.response as Record<
      string,
      Json & Json[]
    >;
    assert.equal(status, "completed");
    assert.equal(id, "resp_1");
    assert.equal(usage.total_tokens, 37);
    assert.deepEqual(output.map((item) => item.type), ["reasoning", "message", "function_call"]);
    // Each item in the last event is the one that was announced, and as it was closed.
    const of = (type: string) =>
      all.filter(({ data }) => data.type === type).map(({ data }) => data.item as Json);
    assert.deepEqual(
      output.map((item) => item.id),
      of("response.output_item.added").map((item) => item.id),
    );
    assert.deepEqual(output, of("response.output_item.done"));
    for (const { data } of all) {
      if (typeof data.item_id === "string") {
        assert.equal(data.item_id, output[data.output_index as number].id, `cut at ${cut}`);
      }
    }
  }
});

Deno.test("responses: at the limit the response is incomplete and says why", () => {
  const sent = answerIn("responses").slice(0, 5);
  const { data } = parsed(rest("responses", sent, { ...END, reason: "length" })).at(-1)!;
  const response = data.response as Json;
  assert.equal(response.status, "incomplete");
  assert.deepEqual(response.incomplete_details, { reason: "max_output_tokens" });
});

/** A client of the vendor's that reads a stream of these events. */
function served(events: readonly StreamEvent[]): typeof fetch {
  return () =>
    Promise.resolve(
      new Response(new Blob(bytesOf(events) as BlobPart[]), {
        headers: { "content-type": "text/event-stream" },
      }),
    );
}

Deno.test("the vendors' own clients read an answer that was gone on with", async () => {
  const sent = answerIn("messages").slice(0, 3);
  const anthropic = new Anthropic({
    apiKey: "k",
    baseURL: "http://localhost",
    fetch: served([...sent, ...parsed(rest("messages", sent))]),
  });
  const message = await anthropic.messages.stream({ model: "m", max_tokens: 9, messages: [] })
    .finalMessage();
  assert.equal(message.stop_reason, "tool_use");
  assert.deepEqual(message.content.map((block) => block.type), ["thinking", "text", "tool_use"]);

  const begun = answerIn("responses").slice(0, 4);
  const openai = new OpenAI({
    apiKey: "k",
    baseURL: "http://localhost/v1",
    fetch: served([...begun, ...parsed(rest("responses", begun))]),
  });
  const response = await openai.responses.stream({ model: "m", input: "" }).finalResponse();
  assert.equal(response.output_text, WHOLE.content);
  assert.equal(response.output.length, 3);
});

Deno.test("messages: a tool that is only announced has been given nothing; one that is closed, an empty object", () => {
  const given = (events: readonly StreamEvent[]) =>
    answerOf("messages", events).choices[0].message.tool_calls?.[0].function.arguments;
  const announced = answerIn("messages").slice(0, 10);
  assert.equal(given(announced), "");
  const stop = { name: "content_block_stop", data: { type: "content_block_stop", index: 2 } };
  assert.equal(given([...announced, stop]), "{}");
});

Deno.test("a chat answer that ends by itself behind a tool call has ended for its sake", () => {
  const finish = (calls: boolean, reason: string): unknown => {
    const voice = dialectOf("chat").voice!([]);
    if (calls) voice.call("get_weather");
    const end = voice.end({ reason, stopReason: null, usage: null, tellsUsage: false });
    const [last] = end.split("\n\n");
    return JSON.parse(last.slice("data: ".length)).choices[0].finish_reason;
  };
  assert.equal(finish(true, "stop"), "tool_calls");
  assert.equal(finish(true, "length"), "length");
  assert.equal(finish(false, "stop"), "stop");
});

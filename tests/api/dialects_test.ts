// What every API says of itself: texts and where they are, usage, choices, errors and ends.

import Anthropic from "npm:@anthropic-ai/sdk@1.12.0";
import assert from "node:assert/strict";
import OpenAI from "npm:openai@7.57.0";
import { type BodyFields, type EndReason, mergedUsage } from "../../lib/api/dialect.ts";
import { type Api, apiAt, dialectOf, dialects, errorBodyAt } from "../../lib/api/dialects.ts";
import { eventsIn } from "../../lib/api/wire.ts";
import { answerIn, bodies } from "./samples.ts";
import { withTexts } from "./with_texts.ts";

const APIS = Object.keys(dialects) as Api[];
const decoder = new TextDecoder();

function eventOf(data: unknown, name?: string): Uint8Array {
  const type = name === undefined ? "" : `event: ${name}\n`;
  return new TextEncoder().encode(`${type}data: ${JSON.stringify(data)}\n\n`);
}

/** All texts by channel, put together from the pieces. */
function said(texts: { channel: string; text: string; repeats: boolean }[], repeats = false) {
  const all: Record<string, string> = {};
  for (const { channel, text, repeats: again } of texts) {
    if (again === repeats) all[channel] = (all[channel] ?? "") + text;
  }
  return all;
}

const EXPECTED: Record<Api, Record<string, string>> = {
  chat: { content: 'Hello "you"', reasoning: "Hmm.", arguments: '{"x":1}' },
  completions: { content: 'Hello "you"' },
  responses: { content: 'Hello "you"', reasoning: "Hmm.", arguments: '{"x":1}' },
  messages: { content: 'Hello "you"', reasoning: "Hmm.", arguments: '{"x":1}' },
};

for (const api of APIS) {
  const dialect = dialectOf(api);

  Deno.test(`${api}: the table finds it by its name and by its path`, () => {
    assert.equal(dialect.name, api);
    assert.equal(apiAt(dialect.path), api);
    assert.equal(apiAt(`${dialect.path}/`), null);
  });

  Deno.test(`${api}: the pieces of a stream and a whole body say the same, channel by channel`, () => {
    const pieces = answerIn(api).flatMap(({ data, name }) => dialect.texts(data, name));
    assert.deepEqual(said(pieces), EXPECTED[api]);
    assert.deepEqual(said(dialect.texts(bodies[api])), EXPECTED[api]);
    assert.ok(pieces.every((text) => text.choice === 0));
  });

  Deno.test(`${api}: where a text is said to stand, another can be put, and nothing else moves`, () => {
    const events = answerIn(api);
    const masked = events.map(({ data, name }) => {
      const json = JSON.stringify(data).replace(/^\{/, '{"big":12345678901234567890, ');
      const places = dialect.texts(JSON.parse(json), name);
      const changes = places.map((place) => ({
        place,
        text: place.text.replaceAll("l", '"\\L\n'),
      }));
      const changed = withTexts(json, changes);
      assert.ok(changed.startsWith('{"big":12345678901234567890, '));
      assert.deepEqual(
        dialect.texts(JSON.parse(changed), name).map(({ text }) => text),
        changes.map(({ text }) => text),
      );
      assert.equal(withTexts(json, []), json);
      return { name, data: JSON.parse(changed) };
    });
    const all = said(masked.flatMap(({ data, name }) => dialect.texts(data, name)));
    assert.equal(all.content, EXPECTED[api].content.replaceAll("l", '"\\L\n'));
  });

  Deno.test(`${api}: usage counts the prompt as a whole, what was cached in it`, () => {
    assert.deepEqual(dialect.usageIn(bodies[api]), {
      promptTokens: 30,
      completionTokens: 7,
      cachedTokens: 16,
    });
    for (const odd of [{}, { usage: null }, { usage: 5 }, { usage: {} }]) {
      assert.equal(dialect.usageIn(odd), null);
    }
    assert.equal(dialect.usageIn({ usage: { prompt_tokens: "7", output_tokens: -1 } }), null);
  });

  Deno.test(`${api}: an error event is read as an error by its own assembler`, () => {
    const [event] = eventsIn([dialect.errorEvent(503, 'nobody "there"\n')]);
    const assembler = dialect.assembler();
    assembler.event(event.data, event.name);
    assert.equal(assembler.answer().error, 'nobody "there"\n');
    const body = dialect.assembler();
    body.body(JSON.parse(decoder.decode(dialect.errorBody(404, "gone"))));
    assert.equal(body.answer().error, "gone");
    assert.equal(body.answer().complete, false);
  });

  Deno.test(`${api}: nothing odd in an event or body throws`, () => {
    const odd: unknown[] = [null, 5, "x", [], [null, 5, "x", {}, []], {}, { index: "a", text: 5 }];
    for (
      const name of ["choices", "content", "output", "item", "part", "response", "delta", "message"]
    ) {
      for (const value of odd) {
        for (
          const type of ["", "content_block_delta", "response.output_text.delta", "response.x.done"]
        ) {
          const data = { type, [name]: value };
          assert.deepEqual(dialect.texts(data).filter(({ text }) => typeof text !== "string"), []);
          dialect.usageIn(data);
          dialect.endEvents({ reason: "length", choice: 0, usage: null }, [{ data }]);
        }
      }
    }
  });

  for (const reason of ["stop", "length", "tool_calls", "content_filter"] as EndReason[]) {
    Deno.test(`${api}: an answer that is ended at any event for ${reason} is whole to its readers`, () => {
      const sent = answerIn(api);
      for (let count = 1; count <= sent.length; count++) {
        const so = sent.slice(0, count);
        const end = dialect.endEvents({ reason, choice: 0, usage: null }, so);
        const assembler = dialect.assembler();
        for (const { data, name } of [...so, ...eventsIn([end])]) assembler.event(data, name);
        const { choices, complete } = assembler.answer();
        assert.equal(complete, true);
        const before = said(so.flatMap(({ data, name }) => dialect.texts(data, name)));
        assert.equal(choices[0].message.content ?? "", before.content ?? "");
        assert.equal(choices[0].message.reasoning ?? "", before.reasoning ?? "");
        if (reason === "length") assert.equal(choices[0].finishReason, "length");
      }
    });
  }
}

Deno.test("a text that is said again in full is told from its pieces", () => {
  const pieces = answerIn("responses").flatMap(({ data, name }) =>
    dialects.responses.texts(data, name)
  );
  const parts = new Set(pieces.map(({ channel, part }) => `${channel} ${part}`));
  assert.deepEqual([...parts], ["reasoning 0.0", "content 1.0", "arguments 2"]);
  assert.ok(pieces.some(({ repeats, text }) => repeats && text === 'Hello "you"'));
  const both = { choices: [{ index: 0, delta: { reasoning: "a", reasoning_content: "a" } }] };
  assert.deepEqual(dialects.chat.texts(both).map(({ repeats }) => repeats), [false, true]);
});

Deno.test("choices and tool calls that interleave keep their texts apart", () => {
  const call = (index: number, given: string) => ({ index, function: { arguments: given } });
  const chunk = {
    choices: [
      { index: 1, delta: { tool_calls: [call(0, "a"), call(1, "b")] } },
      { index: 0, delta: { content: [{ type: "text", text: "c" }, { type: "text", text: "d" }] } },
    ],
  };
  assert.deepEqual(
    dialects.chat.texts(chunk).map(({ choice, part, text, path }) => [choice, part, text, path[1]]),
    [[1, "0", "a", 0], [1, "1", "b", 0], [0, "", "c", 1], [0, "", "d", 1]],
  );
});

Deno.test("the arguments of a call may stand as an object, and as one they are put back", () => {
  const json = '{"type":"message","content":[{"type":"tool_use","input":{"a":"secret", "n":1}}]}';
  const [place] = dialects.messages.texts(JSON.parse(json));
  assert.equal(place.text, '{"a":"secret","n":1}');
  assert.equal(
    withTexts(json, [{ place, text: '{"a":"***","n":1}' }]),
    '{"type":"message","content":[{"type":"tool_use","input":{"a":"***","n":1}}]}',
  );
  assert.match(withTexts(json, [{ place, text: '{"a":"*' }]), /"input":"\{\\"a\\":\\"\*"\}\]\}$/);
});

Deno.test("texts are put into JSON of any spacing, with keys that come twice or in escapes", () => {
  const json =
    ' { "a" : "}" , "choices" : [ 1 , { "index":0, "text":"no", "t\\u0065xt" : "y\\"es\\\\" } ] } ';
  const [place] = dialects.completions.texts(JSON.parse(json));
  assert.equal(place.text, 'y"es\\');
  assert.equal(
    withTexts(json, [{ place, text: "é" }]),
    json.replace('"y\\"es\\\\"', '"é"'),
  );
  assert.throws(() => withTexts("{}", [{ place, text: "x" }]), RangeError);
});

Deno.test("usage that comes in two events is put together", () => {
  const [start] = answerIn("messages");
  const { usageIn } = dialects.messages;
  const end = usageIn({ type: "message_delta", usage: { output_tokens: 9 } });
  assert.deepEqual(mergedUsage(usageIn(start.data), end), {
    promptTokens: 3,
    completionTokens: 9,
    cachedTokens: null,
  });
  assert.equal(mergedUsage(null, null), null);
});

Deno.test("a request's answers are counted as vLLM counts them", () => {
  const fields = (body: Record<string, unknown>): BodyFields => ({
    value: (name) => body[name],
    list: (name) => {
      const value = body[name];
      return Array.isArray(value) ? { items: value.length, first: JSON.stringify(value)[1] } : null;
    },
  });
  const counts: [Api, Record<string, unknown>, number][] = [
    ["chat", {}, 1],
    ["chat", { n: null }, 1],
    ["chat", { n: 3 }, 3],
    ["chat", { n: "2" }, 2],
    ["chat", { n: " 2.0 " }, 2],
    ["chat", { n: true }, 1],
    ["chat", { n: "many" }, 1],
    ["chat", { n: -1 }, 1],
    ["chat", { n: 1e9 }, 1],
    ["completions", { n: 2, prompt: ["a", "b"] }, 4],
    ["completions", { prompt: [[1], [2], [3]] }, 3],
    ["completions", { prompt: [1, 2, 3] }, 1],
    ["completions", { prompt: "[1,2]" }, 1],
    ["responses", { n: 3 }, 1],
    ["messages", { n: 3 }, 1],
  ];
  for (const [api, body, count] of counts) {
    assert.equal(dialectOf(api).choicesOf(fields(body)), count, JSON.stringify(body));
  }
});

Deno.test("errors under /v1/messages have Anthropic's shape and its type for the status", () => {
  const types: [number, string][] = [
    [400, "invalid_request_error"],
    [401, "authentication_error"],
    [403, "permission_error"],
    [404, "not_found_error"],
    [405, "invalid_request_error"],
    [413, "request_too_large"],
    [429, "rate_limit_error"],
    [500, "api_error"],
    [502, "api_error"],
    [503, "overloaded_error"],
    [504, "api_error"],
    [529, "overloaded_error"],
  ];
  for (const [status, type] of types) {
    for (const target of ["/v1/messages", "/v1/messages?a=/v1/chat", "/v1/messages/count_tokens"]) {
      const body = JSON.parse(decoder.decode(errorBodyAt(target, status, "m", "model")));
      assert.deepEqual(body, { type: "error", error: { type, message: "m" } });
    }
  }
  for (const target of ["/v1/chat/completions", "/v1/messages_else", "/health", ""]) {
    const body = JSON.parse(decoder.decode(errorBodyAt(target, 404, "m", "model")));
    const error = { message: "m", type: "NotFoundError", param: "model", code: 404 };
    assert.deepEqual(body, { error });
  }
});

Deno.test("events of an ended response are numbered without a gap and close what was open, once", () => {
  const sent = answerIn("responses");
  for (let count = 1; count <= sent.length; count++) {
    const end = { reason: "content_filter", choice: 0, usage: null } as const;
    const all = [
      ...sent.slice(0, count),
      ...eventsIn([dialects.responses.endEvents(end, sent.slice(0, count))]),
    ].map(({ data }) => data);
    assert.deepEqual(all.map((data) => data.sequence_number), all.map((_, at) => at));
    const of = (type: string) => all.filter((data) => data.type === type).length;
    assert.equal(of("response.output_item.added"), of("response.output_item.done"));
    assert.equal(of("response.incomplete"), 1);
    const last = all.at(-1)!.response as {
      incomplete_details: unknown;
      output: { content: unknown }[];
    };
    assert.deepEqual(last.incomplete_details, { reason: "content_filter" });
    assert.equal(last.output.length, of("response.output_item.done"));
  }
});

Deno.test("the official clients read an answer that was ended at any event, in each API", async () => {
  const end = { reason: "length", choice: 0, usage: null } as const;
  const streamOf = (api: Api, count = answerIn(api).length - 1) => {
    const { endEvents, doneEvent } = dialectOf(api);
    const sent = answerIn(api).slice(0, count);
    const parts = [
      ...sent.map(({ data, name }) => eventOf(data, name)),
      endEvents(end, sent),
      ...(doneEvent === null ? [] : [doneEvent]),
    ];
    return () =>
      Promise.resolve(
        new Response(new Blob(parts as BlobPart[]).stream(), {
          headers: { "content-type": "text/event-stream" },
        }),
      );
  };
  const request = { model: "m", messages: [{ role: "user" as const, content: "hi" }] };
  const openai = (api: Api, count?: number) =>
    new OpenAI({ apiKey: "k", baseURL: "http://x/v1", fetch: streamOf(api, count) });
  for (let count = 1; count <= answerIn("messages").length; count++) {
    const fetch = streamOf("messages", count);
    const anthropic = new Anthropic({ apiKey: "k", baseURL: "http://x", fetch });
    const message = await anthropic.messages.stream({ ...request, max_tokens: 9 }).finalMessage();
    assert.equal(message.stop_reason, "max_tokens");
    const types = ["thinking", "text", "tool_use"];
    assert.deepEqual(
      message.content.map(({ type }) => type),
      types.slice(0, message.content.length),
    );
  }
  for (let count = 1; count <= answerIn("responses").length; count++) {
    const stream = openai("responses", count).responses.stream({ model: "m", input: "hi" });
    const response = await stream.finalResponse();
    assert.equal(response.status, "incomplete");
    if (count > 11) assert.equal(response.output_text, 'Hello "you"');
  }
  let finish: string | null = null;
  for await (
    const chunk of await openai("chat").chat.completions.create({ ...request, stream: true })
  ) {
    finish = chunk.choices[0].finish_reason ?? finish;
  }
  assert.equal(finish, "length");
  let text = "";
  const completion = { model: "m", prompt: "hi", stream: true as const };
  for await (const chunk of await openai("completions").completions.create(completion)) {
    text += chunk.choices[0].text;
    finish = chunk.choices[0].finish_reason ?? null;
  }
  assert.deepEqual([text, finish], ["Hel", "length"]);
});

// What waits on a stream while it may still become something that is acted on: how much at most, behind
// what, and what happens to it where that does not end.

import assert from "node:assert/strict";
import { PolicyTrail } from "../../lib/policy/trail.ts";
import type { AnswerRules } from "../../lib/policy/answer/rules.ts";
import { Placeholders } from "../../lib/policy/placeholders.ts";
import { alphabet, filterOf, rulesOf } from "./filtered.ts";
import { APIS, CUT, heardOf, Listener, spoken, spokenWhole } from "./spoken.ts";
import { filteredBody } from "../../lib/policy/answer/whole.ts";

const encoder = new TextEncoder();
const chunk = (...choices: [number, object, (string | null)?][]) =>
  encoder.encode(`data: ${
    JSON.stringify({
      id: "a",
      object: "chat.completion.chunk",
      choices: choices.map(([index, delta, end = null]) => ({ index, delta, finish_reason: end })),
    })
  }\n\n`);

for (const api of APIS) {
  Deno.test(`${api}: a text that makes the stage hold without end is cut before it`, () => {
    const rules = rulesOf({ words: ["secret"], action: "mask" });
    const trail = new PolicyTrail();
    const filter = filterOf(rules, api, { trail });
    const client = new Listener(api);
    const events = spoken(api, ["fine, se", ...Array(4000).fill("\u200b"), "cret"]);
    let waiting = 0;
    let most = 0;
    for (const event of events) {
      const shown = filter.take(event);
      waiting += event.length - shown.length;
      if (shown.length > 0 || filter.isOver) waiting = 0;
      most = Math.max(most, waiting);
      client.hear(shown);
      if (filter.isOver) break;
    }
    assert.ok(most <= 256 * 1024, `${most} bytes waited`);
    assert.equal(client.text, "fine, ");
    assert.equal(client.end, CUT[api]);
    assert.equal(trail.hits[0].count, 1);
  });
}

Deno.test("events that say nothing do not pile up behind a text that waits", () => {
  const filter = filterOf(rulesOf({ words: ["secret"], action: "cut" }), "chat");
  const client = new Listener("chat");
  client.hear(filter.take(chunk([0, { content: "a se" }])));
  for (let i = 0; i < 5000 && !filter.isOver; i++) client.hear(filter.take(chunk([0, {}])));
  assert.ok(filter.isOver);
  assert.deepEqual([client.text, client.end], ["a ", "content_filter"]);
});

Deno.test("what puts personal data back lets go of what it would hold without end", () => {
  const trail = new PolicyTrail();
  trail.placeholders.set("<EMAIL_00112233>", "a@b.example");
  const restore = new Placeholders(() => alphabet).restoring(trail)!;
  const filter = filterOf(restore, "chat");
  const client = new Listener("chat");
  const pieces = ["<EMAIL", ...Array(4000).fill("\u200b"), " and <EMAIL_00112233>"];
  for (const event of spoken("chat", pieces)) client.hear(filter.take(event));
  assert.equal(client.text, `<EMAIL${"\u200b".repeat(4000)} and a@b.example`);
  assert.equal(client.end, "stop");
});

Deno.test("42: a text waits no longer for its rest when others go on that no policy looks at", () => {
  const rules = rulesOf({ words: ["secret"], action: "mask", channels: ["content"] });
  const filter = filterOf(rules, "chat");
  const client = new Listener("chat");
  client.hear(filter.take(chunk([0, { content: "a se" }])));
  assert.equal(client.text, "");
  client.hear(filter.take(chunk([0, { reasoning_content: "t".repeat(60) }])));
  assert.equal(client.text, "");
  client.hear(filter.take(chunk([0, { reasoning_content: "t".repeat(60) }])));
  assert.equal(client.text, "a se");
});

Deno.test("42: empty deltas, roles, usage, comments and thoughts between its parts hide no phrase", () => {
  const between: Uint8Array[] = [
    chunk([0, {}]),
    chunk([0, { role: "assistant" }]),
    chunk([0, { content: "" }]),
    chunk([0, { reasoning_content: "hm" }]),
    encoder.encode(`data: {"id":"a","choices":[],"usage":{"completion_tokens":3}}\n\n`),
    encoder.encode(": comment\n\n"),
  ];
  for (const one of between) {
    const filter = filterOf(rulesOf({ words: ["secret"], action: "mask" }), "chat");
    const client = new Listener("chat");
    for (const event of [chunk([0, { content: "a sec" }]), one, chunk([0, { content: "ret!" }])]) {
      client.hear(filter.take(event));
    }
    client.hear(filter.take(chunk([0, {}, "stop"])));
    assert.equal(client.text, "a ******!");
    assert.equal(client.end, "stop");
  }
});

Deno.test("42: thoughts and answer are two texts, and so are two choices", () => {
  const rules = rulesOf({ words: ["secret"], action: "mask" });
  const pairs = [
    [chunk([0, { reasoning_content: "sec" }]), chunk([0, { content: "ret" }])],
    [chunk([0, { content: "sec" }]), chunk([1, { content: "ret" }])],
  ];
  for (const pair of pairs) {
    const filter = filterOf(rules, "chat", { choices: 2 });
    let shown = "";
    for (const event of [...pair, chunk([0, {}, "stop"], [1, {}, "stop"])]) {
      shown += new TextDecoder().decode(filter.take(event));
    }
    for (const one of pair) assert.ok(shown.includes(new TextDecoder().decode(one)), shown);
  }
});

Deno.test("48: of events about several choices only what is cut is left out", () => {
  const filter = filterOf(rulesOf({ words: ["secret"], action: "cut" }), "chat", { choices: 3 });
  const clients = [0, 1, 2].map((choice) => new Listener("chat", choice));
  const events = [
    chunk([0, { content: "one se" }], [1, { content: "two se" }], [2, { content: "three " }]),
    chunk([1, { content: "lf" }, "stop"]),
    chunk([0, { content: "cret" }], [2, { content: "se" }]),
    chunk([0, { content: " more" }], [2, { content: "cret" }, "stop"]),
  ];
  for (const event of events) {
    const shown = filter.take(event);
    for (const client of clients) client.hear(shown);
  }
  assert.deepEqual(clients.map(({ text, end }) => [text, end]), [
    ["one ", "content_filter"],
    ["two self", "stop"],
    ["three ", "content_filter"],
  ]);
  assert.ok(filter.isOver);
});

Deno.test("44: what waits goes out before the end of its choice, whatever ends it, and before an error", () => {
  const ends = [
    chunk([0, {}, "stop"]),
    chunk([0, {}, "length"]),
    encoder.encode("data: [DONE]\n\n"),
  ];
  for (const end of ends) {
    const filter = filterOf(rulesOf({ words: ["secret"], action: "cut" }), "chat");
    assert.equal(filter.take(chunk([0, { content: "a se" }])).length, 0);
    const shown = new TextDecoder().decode(filter.take(end));
    assert.ok(shown.includes("a se") && shown.endsWith(new TextDecoder().decode(end)));
  }
  const filter = filterOf(rulesOf({ words: ["secret"], action: "cut" }), "chat");
  filter.take(chunk([0, { content: "a se" }]));
  const rest = new TextDecoder().decode(filter.flush());
  assert.ok(rest.includes("a se"), "an error event follows what was held");
});

Deno.test("51: a mask may be longer or shorter than its text, and the end may stand at its last character", () => {
  for (const replacement of ["", "…", "a much longer text than that"]) {
    const rules = rulesOf({ words: ["secret", "word"], action: "replace", replacement });
    for (const api of APIS) {
      const filter = filterOf(rules, api);
      const client = new Listener(api);
      for (const event of spoken(api, ["a sec", "retwo", "rd"])) client.hear(filter.take(event));
      assert.equal(client.text, `a ${replacement}${replacement}`);
    }
  }
});

Deno.test("47: what says the same words in another way is left out of an event that is masked", () => {
  const rules = rulesOf({ words: ["secret"], action: "mask" });
  const logprobs = { content: [{ token: "secret", top_logprobs: [{ token: "secret" }] }] };
  const choice = { index: 0, logprobs, token_ids: [5], finish_reason: null };
  const event = (delta: object) =>
    encoder.encode(`data: ${JSON.stringify({ id: "a", choices: [{ ...choice, delta }] })}\n\n`);
  const filter = filterOf(rules, "chat");
  const plain = event({ content: "fine " });
  assert.equal(filter.take(plain), plain, "where nothing was found all of it stays");
  const masked = new TextDecoder().decode(filter.take(event({ content: "a secret " })));
  assert.ok(masked.includes("a ****** ") && !masked.includes("secret"), masked);
  const message = {
    role: "assistant",
    content: "a secret",
    annotations: [{ type: "url_citation", url_citation: { title: "secret" } }],
    audio: { id: "a", data: "c2VjcmV0", transcript: "a secret" },
  };
  const whole = encoder.encode(JSON.stringify({ choices: [{ ...choice, message }] }));
  const { body } = filteredBody(rules, "chat", whole, new PolicyTrail());
  const [{ message: said }] = JSON.parse(new TextDecoder().decode(body)).choices;
  assert.ok(!new TextDecoder().decode(body).includes("secret"));
  assert.deepEqual(said.audio, { id: "a", data: "", transcript: "a ******" });
  // Names that a tool's arguments have are theirs.
  const input = { annotations: ["a"], token_ids: [1], text: "secret" };
  const content = [{ type: "tool_use", id: "1", name: "f", input }];
  const called = filteredBody(
    rules,
    "messages",
    encoder.encode(JSON.stringify({ content })),
    new PolicyTrail(),
  );
  assert.deepEqual(JSON.parse(new TextDecoder().decode(called.body)).content[0].input, {
    ...input,
    text: "******",
  });
});

Deno.test("43: arguments of calls are masked behind their escapes and stay JSON, in each API that has calls", () => {
  const rules = rulesOf({ words: ['the "secret"', "赌场"], action: "mask" });
  const said = JSON.stringify({ a: 'tell the "secret"', b: "\u8d4c场" });
  const calls: Readonly<Record<"chat" | "responses" | "messages", (piece: string) => object>> = {
    chat: (piece) => ({
      choices: [{
        index: 0,
        delta: { tool_calls: [{ index: 0, function: { arguments: piece } }] },
      }],
    }),
    responses: (delta) => ({
      type: "response.function_call_arguments.delta",
      output_index: 0,
      item_id: "fc_1",
      delta,
    }),
    messages: (partial_json) => ({
      type: "content_block_delta",
      index: 0,
      delta: { type: "input_json_delta", partial_json },
    }),
  };
  // deno-lint-ignore no-explicit-any -- three shapes
  const argumentsIn = (data: any): string =>
    data.choices?.[0].delta.tool_calls[0].function.arguments ?? data.delta.partial_json ??
      data.delta;
  for (const api of ["chat", "responses", "messages"] as const) {
    for (const size of [1, 2, 3, 7, 100]) {
      const filter = filterOf(rules, api);
      let shown = "";
      for (let at = 0; at < said.length; at += size) {
        const data = calls[api](said.slice(at, at + size));
        shown += new TextDecoder().decode(
          filter.take(encoder.encode(`data: ${JSON.stringify(data)}\n\n`)),
        );
      }
      shown += new TextDecoder().decode(filter.flush());
      const written = shown.split("\n\n").filter((one) => one !== "")
        .map((one) => argumentsIn(JSON.parse(one.slice(one.indexOf("data: ") + 6)))).join("");
      assert.deepEqual(JSON.parse(written), { a: `tell ${"*".repeat(12)}`, b: "**" }, api);
    }
  }
});

Deno.test("53: what stands in a schema is cut where it would be masked, unless it is said otherwise", () => {
  const said = ['{"na', 'me": "A \\u0073ec', 'ret", "n": 1}'];
  for (
    const [in_schema, text, end] of [
      ["cut", '{"name": "A ', "content_filter"],
      ["same", '{"name": "A ******", "n": 1}', "stop"],
    ]
  ) {
    for (const action of ["mask", "replace"]) {
      const options = { words: ["secret"], action, in_schema };
      const rules = rulesOf(action === "mask" ? options : { ...options, replacement: "******" });
      const filter = filterOf(rules.inForm("json"), "chat");
      const client = new Listener("chat");
      for (const event of spoken("chat", said)) client.hear(filter.take(event));
      assert.deepEqual([client.text, client.end], [text, end], "behind escapes too");
      const whole = spokenWhole("chat", said.join(""));
      const { body } = filteredBody(rules.inForm("json"), "chat", whole, new PolicyTrail());
      assert.deepEqual(heardOf("chat", body), { text, end });
    }
  }
  const rules = rulesOf({ words: ["secret"], action: "mask" });
  const free = filteredBody(rules, "chat", spokenWhole("chat", "a secret"), new PolicyTrail());
  assert.equal(heardOf("chat", free.body).text, "a ******");
});

Deno.test("40: placeholders come back whatever pieces they come in", () => {
  const trail = new PolicyTrail();
  trail.placeholders.set("<EMAIL_00112233>", 'é"\\@b.example');
  trail.placeholders.set("<EMAIL_0011223344>", "second@b.example");
  const rules: AnswerRules = new Placeholders(() => alphabet).restoring(trail)!;
  const text = "To <EMAIL_00112233><EMAIL_0011223344>, <EMAIL_0011>.";
  const expected = 'To é"\\@b.examplesecond@b.example, <EMAIL_0011>.';
  for (const api of APIS) {
    for (let i = 0; i < text.length; i++) {
      for (let j = i; j < text.length; j += api === "chat" ? 1 : 7) {
        const filter = filterOf(rules, api);
        const client = new Listener(api);
        const pieces = [text.slice(0, i), text.slice(i, j), text.slice(j)].filter((one) => one);
        for (const event of spoken(api, pieces)) client.hear(filter.take(event));
        assert.equal(client.text, expected, JSON.stringify(pieces));
      }
    }
    const letters = filterOf(rules, api);
    const client = new Listener(api);
    for (const event of spoken(api, [...text])) client.hear(letters.take(event));
    assert.equal(client.text, expected);
    const { body } = filteredBody(rules, api, spokenWhole(api, text), new PolicyTrail());
    assert.equal(heardOf(api, body).text, expected);
  }
});

for (const api of APIS) {
  Deno.test(`41: ${api}: a phrase is found in every cut, in characters or in escapes of any kind`, () => {
    const rules = rulesOf({ words: ["中文😀", "a|b"], action: "mask" });
    const text = "x中文😀y a|b";
    const expected = "x***y ***";
    const units = (said: string) =>
      `"${
        said.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
          .join("")
      }"`;
    for (const write of [(said: string) => JSON.stringify(said), units]) {
      for (let mask = 0; mask < 1 << (text.length - 1); mask++) {
        const pieces: string[] = [];
        let from = 0;
        for (let i = 1; i < text.length; i++) {
          if (mask & (1 << (i - 1))) pieces.push(text.slice(from, from = i));
        }
        const filter = filterOf(rules, api);
        const client = new Listener(api);
        const events = spoken(api, [...pieces, text.slice(from)], write);
        for (const event of events) client.hear(filter.take(event));
        assert.equal(client.text, expected, JSON.stringify(pieces));
      }
    }
  });
}

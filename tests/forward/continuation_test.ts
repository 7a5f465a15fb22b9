// What the rest of a text may turn out to be: the rest, a thought, the whole once more, or a stop string of
// which the client has the first half.

import assert from "node:assert/strict";
import type { Api } from "../../lib/api/api.ts";
import { Continuation } from "../../lib/forward/resume/continuation.ts";
import { ChunkReplay } from "../../lib/forward/resume/replay_chunks.ts";
import type { Mender } from "../../lib/forward/resume/mender.ts";
import type { Sent } from "../../lib/forward/resume/plan.ts";
import type { Json } from "../../lib/json/json.ts";
import { firstAnswer } from "./first_answer.ts";

const encoder = new TextEncoder();

function chunk(choice: Json, id = "first"): Json {
  return {
    id,
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index: 0, ...choice }],
  };
}

function sentOf(content: string, chunks: Json[] = []): Sent {
  return {
    answer: firstAnswer(content),
    tokens: 10,
    events: () =>
      [
        chunk({ delta: { role: "assistant", content: "" } }),
        ...(chunks.length > 0 ? chunks : [chunk({ delta: { content } })]),
      ].map((data) => encoder.encode(`data: ${JSON.stringify(data)}\n\n`)),
    ids: null,
  };
}

/** What a client gets of deltas; "disagrees" where they are no part of its answer. */
function heard(mender: Mender, chunks: (Json | "[DONE]")[]) {
  const all: Json[] = [];
  let done = false;
  for (const one of chunks) {
    const mended = mender.event(one === "[DONE]" ? one : JSON.stringify(one), undefined);
    if (mended === "disagrees") return mended;
    for (const [, data] of (mended ?? "").matchAll(/^data: (.*)$/gm)) {
      if (data === "[DONE]") done = true;
      else all.push(JSON.parse(data));
    }
  }
  assert.ok(all.every(({ id }) => id === "first"));
  const choices = all.flatMap((data) => data.choices as Json[]);
  return {
    text: choices.map(({ delta, text }) => (delta as Json)?.content ?? text ?? "").join(""),
    finish: choices.map(({ finish_reason }) => finish_reason).filter((reason) => reason),
    choices,
    usage: all.findLast(({ usage }) => usage)?.usage,
    done,
  };
}

function continued(content: string, words: Json[], request: Json = {}, api: Api = "chat") {
  const mender = new Continuation(api, request, sentOf(content));
  return heard(mender, [
    ...words.map((delta) => chunk(api === "chat" ? { delta } : delta, "second")),
    chunk({ delta: {}, finish_reason: "stop" }, "second"),
    "[DONE]",
  ]);
}

const said = (...texts: string[]) => texts.map((content) => ({ content }));

Deno.test("the rest of a text passes, whatever it begins with", () => {
  for (const rest of [[" and", " more"], ["<", "b>"], ["The", " end"], ["\n\n", "x"]]) {
    const got = continued("The answer is", said(...rest));
    assert.ok(got !== "disagrees");
    assert.equal(got.text, rest.join(""));
    assert.deepEqual(got.finish, ["stop"]);
    assert.ok(got.done);
  }
});

Deno.test("one that thinks first is no rest of a text, in a field or in marks", () => {
  assert.equal(continued("The answer", [{ reasoning: "Hm" }]), "disagrees");
  assert.equal(continued("The answer", [{ reasoning_content: "Hm" }]), "disagrees");
  assert.equal(continued("The answer", said("\n<th", "ink>", "Hm")), "disagrees");
  assert.equal(continued("The answer", [...said(" is"), { reasoning: "Hm" }]), "disagrees");
});

Deno.test("one that begins anew is taken for a second run", () => {
  const begin = "Once upon a time there was a gateway, ";
  const anew = continued(
    begin,
    said("Once upon ", "a time there", " was a gateway, and", " so on"),
  );
  assert.ok(anew !== "disagrees");
  assert.equal(anew.text, "and so on");
  // A beginning that came by chance, and goes on in another way.
  const chance = continued(begin, said("Once upon ", "another"));
  assert.ok(chance !== "disagrees");
  assert.equal(chance.text, "Once upon another");
});

Deno.test("a text that repeats itself may go on like its beginning: only a second run can tell", () => {
  const cycle = "again and again, ".repeat(8);
  assert.equal(continued(cycle, said(cycle)), "disagrees");
  const few = continued("ha", said("ha", "ha"));
  assert.ok(few !== "disagrees");
  assert.equal(few.text, "haha");
});

Deno.test("a stop string that begins before the seam ends the answer behind it", () => {
  const request = { stop: ["END"] };
  const got = continued("Well. E", said("N", "D of", " it"), request);
  assert.ok(got !== "disagrees");
  assert.equal(got.text, "");
  assert.deepEqual(got.finish, ["stop"]);
  assert.equal(got.choices.at(-1)?.stop_reason, "END");
  assert.ok(got.done);
  const included = continued("Well. E", said("N", "D of"), {
    ...request,
    include_stop_str_in_output: true,
  });
  assert.ok(included !== "disagrees");
  assert.equal(included.text, "ND");
  const none = continued("Well. E", said("N", "TER"), request);
  assert.ok(none !== "disagrees");
  assert.equal(none.text, "NTER");
});

Deno.test("up to a stop string across the seam each event is a token, but for one that opens the message", () => {
  const sent = sentOf("Well. E");
  sent.answer.usage = { prompt_tokens: 3 };
  const request = { stop: "END", stream_options: { include_usage: true } };
  const got = heard(new Continuation("chat", request, sent), [
    chunk({ delta: { role: "assistant", content: "" } }, "second"),
    chunk({ delta: { content: "N" } }, "second"),
    chunk({ delta: { content: "D of" } }, "second"),
  ]);
  assert.ok(got !== "disagrees");
  assert.deepEqual(got.usage, { prompt_tokens: 3, completion_tokens: 12, total_tokens: 15 });
});

Deno.test("a replay keeps what tokens without a text carry: each probability and id once", () => {
  const entry = (token: string) => ({ token, logprob: -1 });
  const tokens = ["a", "", "", "你", "b", "", "c"];
  const event = (from: number, to: number, id: string) =>
    chunk({
      delta: { content: tokens.slice(from, to).join("") },
      logprobs: { content: tokens.slice(from, to).map(entry) },
      token_ids: tokens.slice(from, to).map((_, at) => from + at),
    }, id);
  for (let cut = 1; cut < tokens.length; cut++) {
    // The first run gave each token by itself, the second pairs of them.
    const first = tokens.slice(0, cut).map((_, at) => event(at, at + 1, "first"));
    const content = tokens.slice(0, cut).join("");
    const got = heard(new ChunkReplay(sentOf(content, first)), [
      chunk({ delta: { role: "assistant", content: "" } }, "second"),
      event(0, 2, "second"),
      event(2, 4, "second"),
      event(4, 6, "second"),
      event(6, 7, "second"),
      chunk({ delta: {}, finish_reason: "stop" }, "second"),
      "[DONE]",
    ]);
    assert.ok(got !== "disagrees", `cut at ${cut}`);
    assert.equal(content + got.text, tokens.join(""));
    assert.deepEqual(
      got.choices.flatMap(({ token_ids }) => token_ids ?? []),
      tokens.map((_, at) => at).slice(cut),
      `cut at ${cut}`,
    );
    assert.deepEqual(
      got.choices.flatMap(({ logprobs }) =>
        (logprobs as { content: Json[] } | null)?.content ?? []
      ),
      tokens.slice(cut).map(entry),
      `cut at ${cut}`,
    );
    assert.equal(got.choices.filter(({ delta }) => (delta as Json).role).length, 0);
  }
});

Deno.test("a replay whose thoughts stand behind a text, or between two, is met as it comes", () => {
  const parts: Json[] = [
    { content: "Well, " },
    { reasoning: "first" },
    { content: "I say" },
    { reasoning: "second" },
    { content: " more" },
  ];
  const sent = sentOf("Well, I say");
  sent.answer.choices[0].message.reasoning = "firstsec";
  const again = [
    ...parts.map((delta) => chunk({ delta })),
    chunk({ delta: {}, finish_reason: "stop" }),
  ];
  const fresh: Json[] = [];
  const replay = new ChunkReplay(sent);
  for (const one of again) {
    const mended = replay.event(JSON.stringify(one));
    assert.notEqual(mended, "disagrees");
    if (mended !== null) fresh.push(JSON.parse(mended.slice(6)).choices[0].delta);
  }
  assert.deepEqual(fresh, [{ reasoning: "ond" }, { content: " more" }, {}]);
});

Deno.test("a replay that goes on with what lies before the client's last words is another answer", () => {
  const cases: [content: string, reasoning: string, other: Json][] = [
    ["text", "thought", { reasoning: "thought and more" }],
    ["", "a long thought", { content: "text" }],
  ];
  for (const [content, reasoning, other] of cases) {
    const sent = sentOf(content);
    sent.answer.choices[0].message.reasoning = reasoning;
    const replay = new ChunkReplay(sent);
    assert.equal(replay.event(JSON.stringify(chunk({ delta: other }))), "disagrees");
  }
});

Deno.test("tokens up to a stop string across the seam are counted by ids and figures, not by events", () => {
  const completionTokens = (first: Json, last: Json) => {
    const request = { stop: "END", stream_options: { include_usage: true } };
    const sent = sentOf("Well, E");
    sent.answer.usage = { prompt_tokens: 3, completion_tokens: 10, total_tokens: 13 };
    const got = heard(new Continuation("chat", request, sent), [
      { ...chunk({ delta: { role: "assistant", content: "" } }, "second"), ...first },
      {
        ...chunk({ delta: { content: "N" }, token_ids: last.ids ?? null }, "second"),
        ...last.more as Json,
      },
      { ...chunk({ delta: { content: "D" }, token_ids: [9] }, "second"), ...last.end as Json },
    ]);
    assert.ok(got !== "disagrees");
    assert.deepEqual([got.text, got.finish], ["", ["stop"]]);
    return (got.usage as Json).completion_tokens;
  };
  assert.equal(completionTokens({}, { ids: [7, 8] }), 13);
  const figures = (count: number) => ({ usage: { completion_tokens: count } });
  assert.equal(completionTokens(figures(0), { more: figures(2), end: figures(4) }), 14);
});

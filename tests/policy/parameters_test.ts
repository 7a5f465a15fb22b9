// Tests the rules of `parameters`: what requests get, and what they may say.

import assert from "node:assert/strict";
import { applyParameters, type ParameterRules } from "../../lib/policy/prompt/parameters.ts";
import { PromptBody } from "../../lib/policy/prompt/prompt_body.ts";
import type { Api } from "../../lib/api/dialects.ts";
import { RequestError } from "../../lib/http/client.ts";

const NONE: ParameterRules = { default: {}, maximum: {}, set: {}, forbid: [], over: "clamp" };

function ruled(body: string, rules: Partial<ParameterRules>, api: Api = "chat", room?: number) {
  const prompt = new PromptBody(api, new TextEncoder().encode(body));
  const outcome = applyParameters(prompt, { ...NONE, ...rules }, room);
  return { outcome, text: new TextDecoder().decode(prompt.bytes), prompt };
}

Deno.test("a default is for requests that do not say, and only those bytes are added", () => {
  const body = `{"messages":[],"seed":12345678901234567890,"top_p":null}`;
  const { text } = ruled(body, { default: { temperature: 0.7, top_p: 0.9 } });
  assert.equal(text, `{"messages":[],"seed":12345678901234567890,"top_p":0.9,"temperature":0.7}`);
  const said = `{"temperature":0}`;
  const { prompt } = ruled(said, { default: { temperature: 0.7 } });
  assert.equal(prompt.isChanged, false);
});

Deno.test("36: the length of an answer has the name of its API, and any of its names counts as said", () => {
  const rules = { default: { max_tokens: 100 } };
  assert.equal(ruled("{}", rules).text, `{"max_tokens":100}`);
  assert.equal(ruled(`{"max_completion_tokens":9}`, rules).text, `{"max_completion_tokens":9}`);
  assert.equal(ruled("{}", rules, "responses").text, `{"max_output_tokens":100}`);
  assert.equal(ruled(`{"max_tokens":9}`, rules, "messages").text, `{"max_tokens":9}`);
});

Deno.test("36: a maximum holds under each name, for texts that servers read as numbers, and unsaid", () => {
  const rules = { maximum: { max_tokens: 50, n: 4 } };
  for (
    const [body, after] of [
      [`{"max_tokens":99}`, `{"max_tokens":50}`],
      [
        `{"max_completion_tokens":99,"max_tokens":60}`,
        `{"max_completion_tokens":50,"max_tokens":50}`,
      ],
      [`{"max_tokens":"99"}`, `{"max_tokens":50}`],
      [`{"max_tokens":99.0}`, `{"max_tokens":50}`],
      [`{"max_tokens":[1]}`, `{"max_tokens":50}`],
      [`{"max_tokens":7,"n":5}`, `{"max_tokens":7,"n":4}`],
      [`{"max_tokens":99,"min_tokens":80}`, `{"max_tokens":50,"min_tokens":50}`],
      [`{}`, `{"max_tokens":50}`],
    ]
  ) assert.equal(ruled(body, rules).text, after);
  assert.equal(ruled(`{}`, rules, "completions").text, `{}`);
  assert.equal(
    ruled(`{"max_output_tokens":99}`, rules, "responses").text,
    `{"max_output_tokens":50}`,
  );
});

Deno.test("36: what is clamped fits into the context that the prompt leaves, with one token at least", () => {
  const rules = { maximum: { max_tokens: 8192 } };
  assert.equal(ruled(`{"max_tokens":9000}`, rules, "chat", 100).text, `{"max_tokens":100}`);
  assert.equal(ruled(`{}`, rules, "chat", -5).text, `{"max_tokens":1}`);
  // What the client asked for itself is between it and the server.
  assert.equal(ruled(`{"max_tokens":800}`, rules, "chat", 100).text, `{"max_tokens":800}`);
});

Deno.test("with `over: reject` a value above its maximum, or a forbidden field, is refused by name", () => {
  const rules = { maximum: { n: 4 }, forbid: ["logit_bias"], over: "reject" as const };
  const over = ruled(`{"n":5}`, rules).outcome;
  assert.deepEqual(over, {
    kind: "refused",
    param: "n",
    message: "`n` may be 4 at most here, got 5",
  });
  const forbidden = ruled(`{"logit_bias":{"1":2}}`, rules).outcome;
  assert.equal(forbidden.kind === "refused" && forbidden.param, "logit_bias");
  assert.equal(ruled(`{"logit_bias":null,"n":4}`, rules).prompt.isChanged, false);
});

Deno.test("with `over: clamp` a forbidden field is left out", () => {
  const { text, outcome } = ruled(`{"a":1,"logit_bias":{"1":2}}`, { forbid: ["logit_bias"] });
  assert.equal(text, `{"a":1}`);
  assert.deepEqual(outcome, { kind: "passed", changed: ["logit_bias"] });
});

Deno.test("what is set holds whatever the request says, and objects are merged", () => {
  const rules = { set: { chat_template_kwargs: { enable_thinking: false }, max_tokens: 5 } };
  const { text, outcome } = ruled(
    `{"chat_template_kwargs":{"x":1,"enable_thinking":true},"max_completion_tokens":9}`,
    rules,
  );
  assert.deepEqual(JSON.parse(text), {
    chat_template_kwargs: { x: 1, enable_thinking: false },
    max_tokens: 5,
  });
  assert.deepEqual(outcome, {
    kind: "passed",
    changed: ["chat_template_kwargs.enable_thinking", "max_tokens"],
  });
  assert.equal(ruled(text, rules).prompt.isChanged, false);
});

Deno.test("33: a field that stands twice, and JSON that only some can read, are refused", () => {
  for (const body of [`{"n":1,"n":9}`, `{"n":NaN}`]) {
    assert.throws(() => ruled(body, { maximum: { n: 4 } }), { status: 400 });
  }
});

Deno.test("what has more values than anybody should build is refused before it is parsed", () => {
  const dense = (count: number) => `{"messages":[${"{},".repeat(count - 1)}{}]}`;
  assert.equal(ruled(dense(100_000), { forbid: ["n"] }).prompt.isChanged, false);
  assert.throws(
    () => ruled(dense(1_000_000), { forbid: ["n"] }),
    (error: unknown) => error instanceof RequestError && error.status === 413,
  );
  // Length alone is no reason.
  const long = `{"messages":[{"content":"${"{},".repeat(1_000_000)}"}]}`;
  assert.equal(ruled(long, { forbid: ["n"] }).prompt.isChanged, false);
});

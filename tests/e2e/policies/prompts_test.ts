// Policies on prompts in a running gateway: what an instance gets of a request, and what a client is told.

import assert from "node:assert/strict";
import { startGateway } from "../../support/processes.ts";
import { recordsOf } from "../../support/records.ts";
import { completion, type Seen, startUpstream } from "../../support/upstream.ts";

const QUESTION = { model: "m", messages: [{ role: "user", content: "hi" }] };

/** The bodies that reached the model. */
function asked(seen: readonly Seen[]) {
  return seen.filter(({ path }) => path.startsWith("/v1/")).map(({ text }) => JSON.parse(text));
}

async function withPolicies(
  policies: readonly object[],
  work: (
    post: (body: unknown, path?: string) => Promise<{ status: number; json: Answer }>,
    seen: Seen[],
    gateway: Awaited<ReturnType<typeof startGateway>>,
  ) => Promise<void>,
  options: { maxContext?: number; tokens?: (text: string) => number | null } = {},
) {
  await using upstream = startUpstream(({ path, text }) => {
    if (path !== "/tokenize") return completion("hello");
    const count = options.tokens?.(text) ?? null;
    return count === null ? new Response(null, { status: 404 }) : Response.json({ count });
  });
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m", max_context: options.maxContext }],
      // So long is waited for a tokenizer, too.
      health_check: { timeout: 30 },
      policies,
    },
  });
  const post = async (body: unknown, path = "/v1/chat/completions") => {
    const response = await gateway.post(path, body);
    return { status: response.status, json: await response.json() };
  };
  await work(post, upstream.seen, gateway);
}

// deno-lint-ignore no-explicit-any -- answers of several APIs, looked into field by field
type Answer = any;

Deno.test("39: an instance gets the changed body whole, other bytes as they came, and so does the record", async () => {
  const policies = [
    { name: "plain", type: "parameters", default: { temperature: 0.5 }, maximum: { n: 2 } },
    { name: "house", type: "system_prompt", text: "Be brief for {{model}}." },
  ];
  await withPolicies(policies, async (post, seen, gateway) => {
    const body = `{"seed":12345678901234567890,"n":9, "model":"m","messages":[{"role":"user",` +
      `"content":"\\u4e2d"}],"stream":false}`;
    assert.equal((await post(body)).status, 200);
    const system = `{"role":"system","content":"Be brief for m."}`;
    const expected = body.replace('"n":9', '"n":2').replace("[{", `[${system},{`)
      .replace("false}", `false,"temperature":0.5}`);
    assert.equal(seen[0].text, expected);
    assert.equal(Number(seen[0].headers.get("content-length")), expected.length);
    const [record] = await recordsOf(gateway, 1);
    assert.deepEqual(record.conversations.map(({ value }) => value), [
      "Be brief for m.",
      "中",
      "hello",
    ]);
  });
});

Deno.test("36: a value above its maximum is refused with its name and the policy's, where that is wanted", async () => {
  const policies = [{
    name: "most",
    type: "parameters",
    maximum: { max_tokens: 10 },
    over: "reject",
  }];
  await withPolicies(policies, async (post, seen) => {
    const { status, json } = await post({ ...QUESTION, max_tokens: 11 });
    assert.equal(status, 400);
    assert.deepEqual(json.error, {
      message: "`max_tokens` may be 10 at most here, got 11 (policy `most`).",
      type: "BadRequestError",
      param: "max_tokens",
      code: 400,
      reason: "policy:most",
    });
    const messages = await post({ ...QUESTION, max_tokens: 11 }, "/v1/messages");
    assert.equal(messages.json.type, "error");
    assert.equal(seen.length, 0);
  });
});

Deno.test("a model gets another name before anything else looks at it", async () => {
  const policies = [
    { name: "names", type: "rewrite", rename: { "gpt-4": "m" }, drop: ["user"] },
    { name: "m-only", type: "parameters", models: ["m"], set: { top_p: 1 } },
  ];
  await withPolicies(policies, async (post, seen) => {
    assert.equal((await post({ ...QUESTION, model: "gpt-4", user: "u" })).status, 200);
    assert.deepEqual(asked(seen), [{ ...QUESTION, top_p: 1 }]);
    assert.equal((await post({ ...QUESTION, model: "gpt-5" })).status, 404);
  });
});

Deno.test("blanks that say nothing are left out, but not in code", async () => {
  const policies = [{ name: "short", type: "rewrite", collapse_whitespace: true }];
  await withPolicies(policies, async (post, seen) => {
    const content = "a   b\n\n\n\n\nc  \n  indent\n```\nx   y\n\n\n\nz\n```\nd    e";
    await post({ model: "m", messages: [{ role: "user", content }] });
    const [{ messages }] = asked(seen);
    assert.equal(messages[0].content, "a b\n\nc\n  indent\n```\nx   y\n\n\n\nz\n```\nd e");
  });
});

Deno.test("37: too long a prompt is refused in vLLM's words, counted exactly near the limit", async () => {
  const policies = [{ name: "length", type: "context", max_tokens: 1000 }];
  let exact: number | null = 900;
  await withPolicies(policies, async (post, seen) => {
    const content = "word ".repeat(560);
    const question = { model: "m", messages: [{ role: "user", content }], max_tokens: 150 };
    const refused = await post(question);
    assert.equal(refused.status, 400);
    assert.deepEqual(refused.json.error, {
      message:
        "This model's maximum context length is 1000 tokens. However, you requested 150 output " +
        "tokens and your prompt contains 900 input tokens, for a total of 1050 tokens. Please reduce the " +
        "length of the input prompt or the number of requested output tokens.",
      type: "BadRequestError",
      param: "input_tokens",
      code: 400,
      reason: "policy:length",
    });
    exact = 800;
    assert.equal((await post(question)).status, 200);
    const tokenized = seen.filter(({ path }) => path === "/tokenize");
    assert.equal(tokenized.length, 2);
    assert.deepEqual(JSON.parse(tokenized[0].text).messages, question.messages);
    // Far from the limit nobody is asked.
    assert.equal((await post(QUESTION)).status, 200);
    assert.equal(
      (await post({ ...QUESTION, messages: [{ role: "user", content: content.repeat(9) }] }))
        .status,
      400,
    );
    assert.equal(seen.filter(({ path }) => path === "/tokenize").length, 2);
    // Without a tokenizer the estimate counts, which has learned from the figures before.
    exact = null;
    assert.equal((await post(question)).status, 400);
    assert.equal((await post({ ...question, max_tokens: 9 })).status, 200);
  }, { tokens: () => exact });
});

Deno.test("35: too long a conversation loses its oldest turns, tool calls with results, in each API", async () => {
  const policies = [{ name: "trim", type: "context", max_tokens: 400, over: "truncate" }];
  await withPolicies(policies, async (post, seen) => {
    const old = "old ".repeat(150);
    const call = { id: "c", type: "function", function: { name: "f", arguments: "{}" } };
    const messages = [
      { role: "system", content: "s" },
      { role: "user", content: old },
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "c", content: old },
      { role: "assistant", content: "done" },
      { role: "user", content: "now" },
    ];
    assert.equal((await post({ model: "m", messages })).status, 200);
    assert.deepEqual(asked(seen)[0].messages, [messages[0], messages[5]]);
    const items = [
      { role: "user", content: old },
      { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "c", output: old },
      { role: "user", content: "now" },
    ];
    await post({ model: "m", input: items }, "/v1/responses");
    assert.deepEqual(asked(seen)[1].input, [items[3]]);
    const turns = [
      { role: "user", content: old },
      { role: "assistant", content: [{ type: "tool_use", id: "c", name: "f", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "c", content: old }] },
      { role: "assistant", content: "done" },
      { role: "user", content: "now" },
    ];
    await post({ model: "m", max_tokens: 9, messages: turns }, "/v1/messages");
    assert.deepEqual(asked(seen)[2].messages, [turns[4]]);
    // What is left is still too long: the same refusal.
    const { status, json } = await post({
      model: "m",
      messages: [{ role: "user", content: old.repeat(9) }],
    });
    assert.equal(status, 400);
    assert.equal(json.error.param, "input_tokens");
  });
});

Deno.test("35: turns that are summed up are summed up once, and a model that cannot leaves them out", async () => {
  const policies = [{ name: "sum", type: "context", max_tokens: 400, over: "compact", model: "m" }];
  await withPolicies(policies, async (post, seen) => {
    const messages = [
      { role: "user", content: "old ".repeat(600) },
      { role: "assistant", content: "a" },
      { role: "user", content: "now" },
    ];
    await post({ model: "m", messages });
    await post({ model: "m", messages });
    const bodies = asked(seen);
    assert.equal(bodies.length, 3, "one summary, two answers");
    assert.match(bodies[0].messages[0].content, /Sum up/);
    assert.match(bodies[1].messages[0].content, /in short:\nhello$/);
    assert.deepEqual(bodies[1].messages.map(({ role }: Answer) => role), [
      "user",
      "assistant",
      "user",
    ]);
    assert.deepEqual(bodies[1], bodies[2]);
  });
});

Deno.test("56: in audit nothing changes and nothing is refused", async () => {
  const mode = "audit";
  const policies = [
    { name: "a", type: "parameters", mode, maximum: { n: 1 }, over: "reject" },
    { name: "b", type: "system_prompt", mode, text: "house" },
    { name: "c", type: "context", mode, max_tokens: 1 },
    { name: "d", type: "rewrite", mode, drop: ["user"], rename: { m: "x" } },
  ];
  await withPolicies(policies, async (post, seen) => {
    const body = JSON.stringify({ ...QUESTION, n: 3, user: "u" });
    assert.equal((await post(body)).status, 200);
    assert.equal(seen.find(({ path }) => path !== "/tokenize")!.text, body);
  });
});

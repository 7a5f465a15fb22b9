// Guards in a running gateway: a model, a web service, a plugin. What they say holds, what they do to
// themselves hurts nobody else.

import assert from "node:assert/strict";
import { join } from "node:path";
import { signature } from "../../../lib/policy/guard/webhook.ts";
import { startGateway } from "../../support/processes.ts";
import { completion, startUpstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";

const ask = (content: string) => ({ model: "m", messages: [{ role: "user", content }] });

const TOKEN = "correct-horse-battery";

async function gatewayWith(
  policies: readonly Record<string, unknown>[],
  upstream: { url: string },
  plugins: Record<string, string> = {},
  more: Record<string, unknown> = {},
) {
  const folder = await Deno.makeTempDir();
  for (const [name, text] of Object.entries(plugins)) {
    await Deno.writeTextFile(join(folder, name), text);
  }
  const placed = policies.map((policy) =>
    typeof policy.file === "string" ? { ...policy, file: join(folder, policy.file) } : policy
  );
  const gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: ["m", "guard"] }],
      policies: placed,
      ...more,
    },
  });
  return {
    gateway,
    folder,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Answers as a guard model where it is asked as one. */
function model() {
  return startUpstream(({ text }) => {
    const { model, messages } = JSON.parse(text);
    if (model !== "guard") return completion("hello");
    const isBad = JSON.stringify(messages).includes("bomb");
    return completion(
      isBad ? "Safety: Unsafe\nCategories: Violent" : "Safety: Safe\nCategories: None",
    );
  });
}

Deno.test("a guard model of the gateway's own is asked before the prompt is sent", async () => {
  await using upstream = model();
  const policy = { name: "guard", type: "moderation", model: "guard", message: "Not here." };
  await using stand = await gatewayWith([policy], upstream);
  const { gateway } = stand;
  const refused = await gateway.post("/v1/chat/completions", ask("a bomb"));
  assert.equal(refused.status, 400);
  const { error } = await refused.json();
  assert.deepEqual([error.message, error.reason], ["Not here.", "content_filter"]);
  assert.equal(upstream.seen.length, 1);
  const passed = await gateway.post("/v1/chat/completions", ask("a flower"));
  await passed.body?.cancel();
  assert.equal(passed.status, 200);
  assert.deepEqual(upstream.seen.map(({ text }) => JSON.parse(text).model), [
    "guard",
    "guard",
    "m",
  ]);
});

Deno.test("54, 55: `fail` decides where the guard says nonsense, and its calls pass no policies", async () => {
  await using upstream = startUpstream(() => completion("I am fine, and you?"));
  const policy = { name: "guard", type: "moderation", model: "guard" };
  for (const [fail, status] of [["open", 200], ["closed", 400]] as const) {
    await using stand = await gatewayWith([{ ...policy, fail }], upstream);
    const answer = await stand.gateway.post("/v1/chat/completions", ask("hi"));
    await answer.body?.cancel();
    assert.equal(answer.status, status);
  }
  assert.deepEqual(upstream.seen.map(({ text }) => JSON.parse(text).model), [
    "guard",
    "m",
    "guard",
  ]);
});

Deno.test("31: what a guard cannot look into is refused, or passed where that is said", async () => {
  await using upstream = model();
  const image = {
    model: "m",
    messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:x" } }] }],
  };
  const policy = { name: "guard", type: "moderation", model: "guard" };
  for (const [unscannable, status] of [["reject", 400], ["pass", 200]] as const) {
    await using stand = await gatewayWith([{ ...policy, unscannable }], upstream);
    const answer = await stand.gateway.post("/v1/chat/completions", image);
    await answer.body?.cancel();
    assert.equal(answer.status, status);
    const ids = await stand.gateway.post("/v1/completions", { model: "m", prompt: [1, 2] });
    await ids.body?.cancel();
    assert.equal(ids.status, status);
  }
});

Deno.test("a webhook may refuse, and write texts otherwise; its calls are signed", async () => {
  await using upstream = model();
  const calls: { text: string; headers: Headers }[] = [];
  await using hook = startUpstream(({ text, headers }) => {
    calls.push({ text, headers });
    const { texts } = JSON.parse(text);
    if (text.includes("bomb")) return Response.json({ action: "reject", message: "No." });
    const masked = texts.map((one: { text: string }) => one.text.replaceAll("Bob", "***"));
    return Response.json({ action: "mask", texts: masked });
  });
  const policy = { name: "office", type: "webhook", url: hook.url, secret: "s3", timeout: 5 };
  await using stand = await gatewayWith([policy], upstream);
  const { gateway } = stand;
  const refused = await gateway.post("/v1/chat/completions", ask("a bomb"));
  assert.deepEqual([refused.status, (await refused.json()).error.message], [400, "No."]);
  const passed = await gateway.post("/v1/messages", {
    model: "m",
    max_tokens: 5,
    system: "For Bob",
    messages: [{ role: "user", content: [{ type: "text", text: "I am Bob" }] }],
  });
  await passed.body?.cancel();
  const sent = JSON.parse(upstream.seen.at(-1)!.text);
  assert.deepEqual([sent.system, sent.messages[0].content[0].text], ["For ***", "I am ***"]);
  const { text, headers } = calls[0];
  const time = Number(headers.get("x-gateway-timestamp"));
  assert.equal(headers.get("x-gateway-signature"), signature("s3", time, text));
  assert.deepEqual(JSON.parse(text), {
    stage: "prompt",
    policy: "office",
    model: "m",
    key: "",
    texts: [{ role: "user", channel: "content", text: "a bomb" }],
    final: true,
  });
});

Deno.test("54: a webhook that hangs costs its time a few times, then nothing", async () => {
  await using upstream = model();
  const ended = Promise.withResolvers<void>();
  await using hook = startUpstream(async () => {
    await ended.promise;
    return Response.json("pass");
  });
  const policy = { name: "office", type: "webhook", url: hook.url, timeout: 0.2, fail: "open" };
  await using stand = await gatewayWith([policy], upstream);
  try {
    for (let call = 0; call < 8; call++) {
      const answer = await stand.gateway.post("/v1/chat/completions", ask("hi"));
      // Read whole, so that its connection is used again: each worker has to find out for itself.
      await answer.text();
      assert.equal(answer.status, 200);
    }
    assert.equal(hook.seen.length, 5);
  } finally {
    ended.resolve();
  }
});

Deno.test("54: policies that ask the same address find out together that it hangs", async () => {
  await using upstream = model();
  const ended = Promise.withResolvers<void>();
  await using hook = startUpstream(async () => {
    await ended.promise;
    return Response.json("pass");
  });
  const policies = ["one", "two"].map((name) => (
    { name, type: "webhook", url: hook.url, timeout: 0.2, fail: "open" }
  ));
  await using stand = await gatewayWith(policies, upstream);
  try {
    for (let call = 0; call < 6; call++) {
      const answer = await stand.gateway.post("/v1/chat/completions", ask("hi"));
      await answer.body?.cancel();
      assert.equal(answer.status, 200);
    }
    assert.equal(hook.seen.length, 6, "three requests with two calls each");
  } finally {
    ended.resolve();
  }
});

Deno.test("54: a policy that asks the same address in another way is spared by itself", async () => {
  await using upstream = model();
  const ended = Promise.withResolvers<void>();
  // Hangs for those who bring no signature.
  await using hook = startUpstream(async ({ headers }) => {
    if (!headers.has("x-gateway-signature")) await ended.promise;
    return Response.json("pass");
  });
  const policy = { type: "webhook", url: hook.url, fail: "open" };
  await using stand = await gatewayWith(
    [
      { ...policy, name: "hangs", timeout: 0.2 },
      { ...policy, name: "well", secret: "s3", timeout: 30 },
    ],
    upstream,
  );
  try {
    for (let call = 0; call < 8; call++) {
      const answer = await stand.gateway.post("/v1/chat/completions", ask("hi"));
      await answer.body?.cancel();
      assert.equal(answer.status, 200);
    }
    const signed = hook.seen.filter(({ headers }) => headers.has("x-gateway-signature"));
    assert.equal(signed.length, 8, "it is asked each time");
    // After ten seconds it would be tried once more.
    const others = hook.seen.length - signed.length;
    assert.ok(others >= 5 && others < 8, `the other one until it is out: ${others}`);
  } finally {
    ended.resolve();
  }
});

const PLUGIN = `
export default {
  prompt({ texts }) {
    const said = texts.map((t) => t.text).join();
    if (said.includes("loop")) for (;;);
    if (said.includes("hog")) { const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1)); }
    if (said.includes("throw")) throw new Error("secret");
    if (said.includes("promise")) return Promise.resolve("pass");
    if (said.includes("nonsense")) return { action: "dance" };
    if (said.includes("huge")) return { action: "flag", message: "x".repeat(10_000_000) };
    if (said.includes("bomb")) return { action: "reject", message: "No bombs." };
    texts.length = 0;
    return "pass";
  },
};`;

Deno.test("58: whatever a plugin does, its client gets what `fail` says, and others their answers", async () => {
  await using upstream = model();
  const policy = { name: "own", type: "plugin", file: "own.ts", timeout: 2 };
  for (const [fail, status] of [["closed", 400], ["open", 200]] as const) {
    await using stand = await gatewayWith([{ ...policy, fail }], upstream, { "own.ts": PLUGIN });
    const { gateway } = stand;
    const post = async (content: string) => {
      const answer = await gateway.post("/v1/chat/completions", ask(content));
      return { status: answer.status, text: await answer.text() };
    };
    assert.equal((await post("hi")).status, 200);
    const refused = await post("a bomb");
    assert.equal(refused.status, 400);
    assert.match(refused.text, /No bombs\./);
    for (const what of ["throw", "promise", "nonsense", "huge", "loop", "hog"]) {
      const answer = await post(what);
      assert.equal(answer.status, status, what);
      assert.ok(!answer.text.includes("secret"));
    }
    await waitFor(async () => (await post("hi")).status === 200, "the plugin's next isolate");
  }
});

Deno.test("57: a plugin is changed while it runs, and one that does not work does not replace it", async () => {
  await using upstream = model();
  const policy = { name: "own", type: "plugin", file: "own.ts", timeout: 10, fail: "closed" };
  const rejecting = (word: string) =>
    `export default { prompt({ texts }: { texts: { text: string }[] }) {
      return texts.some((t) => t.text.includes("${word}")) ? { action: "reject" } : "pass"; } };`;
  await using stand = await gatewayWith([policy], upstream, { "own.ts": rejecting("one") });
  const { gateway, folder } = stand;
  const statusOf = async (content: string) => {
    const answer = await gateway.post("/v1/chat/completions", ask(content));
    await answer.body?.cancel();
    return answer.status;
  };
  const both = async () => `${await statusOf("one")} ${await statusOf("two")}`;
  assert.equal(await both(), "400 200");
  await Deno.writeTextFile(join(folder, "own.ts"), rejecting("two"));
  // Each worker has an isolate of its own for it: many in a row have met them all.
  let row = 0;
  await waitFor(async () => {
    row = await both() === "200 400" ? row + 1 : 0;
    return row === 10;
  }, "the new plugin");
  await Deno.writeTextFile(join(folder, "own.ts"), "export default { prompt() { throw 1 } };");
  const refusals = () => gateway.output().split("the one before stays").length - 1;
  await waitFor(() => refusals() > 0, () => gateway.output());
  assert.equal(await both(), "200 400");
  assert.match(gateway.output(), /plugin of policy `own` is in force/);
  // Somebody asks for it again, at once.
  const before = refusals();
  gateway.signal("SIGHUP");
  await waitFor(() => refusals() > before, () => gateway.output());
});

Deno.test("who asks for a reload is told of a plugin in it that does not work, once it has been tried", async () => {
  await using upstream = model();
  const policy = { name: "own", type: "plugin", file: "own.ts", timeout: 10, fail: "closed" };
  const works = `export default { prompt: () => "pass" };`;
  await using stand = await gatewayWith([policy], upstream, { "own.ts": works }, {
    admin: { token: TOKEN },
  });
  const { gateway, folder } = stand;
  const reloaded = async () => {
    const response = await gateway.post("/dashboard/api/reload", {}, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    return await response.json();
  };
  await Deno.writeTextFile(join(folder, "own.ts"), `throw new Error("at the top"); ${works}`);
  const wrong = await reloaded();
  assert.equal(wrong.ok, false);
  assert.match(wrong.problems.join(), /^plugin of policy `own` does not work; .* at the top/);
  await Deno.writeTextFile(join(folder, "own.ts"), works);
  assert.deepEqual((await reloaded()).problems, []);
});

Deno.test("a trusted plugin may wait and fetch", async () => {
  await using upstream = model();
  await using other = startUpstream(() => Response.json({ bad: true }));
  const text = `export default { async prompt() {
    const { bad } = await (await fetch("${other.url}")).json();
    return bad ? { action: "reject", message: "fetched" } : "pass";
  } };`;
  const policy = { name: "own", type: "plugin", file: "own.ts", trusted: true, timeout: 5 };
  await using stand = await gatewayWith([policy], upstream, { "own.ts": text });
  const answer = await stand.gateway.post("/v1/chat/completions", ask("hi"));
  assert.deepEqual([answer.status, (await answer.json()).error.message], [400, "fetched"]);
});

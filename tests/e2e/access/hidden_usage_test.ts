// Every token is counted: instances are asked for usage where a caller's limits need it, and the client's
// stream is what it would have been without.

import assert from "node:assert/strict";
import { chatBody, type Fleet, startFleet } from "../../faults/fleet.ts";
import { readSse } from "../../support/sse.ts";
import { startUpstream } from "../../support/upstream.ts";
import { bearer, keyedGateway, makeKey } from "./keyed.ts";

const KEY = makeKey("web");
const LIMITS = { tokens_per_minute: 10_000_000 };

function startKeyed(more: Record<string, unknown> = {}, options = {}): Promise<Fleet> {
  return startFleet({ config: { keys: [KEY.line], limits: LIMITS, ...more }, ...options });
}

/** The text of an answer without what differs between any two of them. */
function plain(text: string): string {
  return text.replace(/"id":"[^"]*"/g, '"id":""').replace(/"created":\d+/g, '"created":0');
}

async function post(url: string, path: string, body: string, headers = {}): Promise<string> {
  const response = await fetch(url + path, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
  return `${response.status}\n${await response.text()}`;
}

interface Charged {
  prompt: number;
  completion: number;
  estimated: boolean;
}

async function charged(fleet: Fleet, complete: number, incomplete = 0): Promise<Charged[]> {
  const records = await fleet.records(complete, incomplete);
  return [...records.complete, ...records.incomplete].map(({ meta }) => meta.charged as Charged);
}

const ASKED: readonly [what: string, options: string][] = [
  ["nothing", ""],
  ["null", ',"stream_options":null'],
  ["an empty object", ',"stream_options":{}'],
  ["false", ',"stream_options": {"include_usage": false}'],
  ["null in it", ',"stream_options":{"include_usage":null}'],
  ["figures with each event alone", ',"stream_options":{"continuous_usage_stats":true}'],
  ["true, and null again", ',"stream_options":{"include_usage":true},"stream_options":null'],
];

const BODIES: readonly [path: string, what: string, body: string][] = [
  ["/v1/chat/completions", "", '"messages":[{"role":"user","content":"tell me"}],"max_tokens":9'],
  [
    "/v1/chat/completions",
    " with n 2",
    '"messages":[{"role":"user","content":"tell me"}],"max_tokens":9,"n":2',
  ],
  ["/v1/completions", "", '"prompt":"tell me","max_tokens":9'],
  ["/v1/completions", " with echo", '"prompt":"tell me","max_tokens":9,"echo":true'],
  ["/v1/completions", " with n 2 and echo", '"prompt":"tell me","max_tokens":9,"n":2,"echo":true'],
];

for (const [path, what, fields] of BODIES) {
  Deno.test(`access 18: ${path}${what}: usage that nobody asked for is not seen, and counted`, async () => {
    await using fleet = await startKeyed({ resume: "auto" }, { count: 1 });
    const { gateway, simulators } = fleet;
    const { headers } = bearer(KEY.key);
    const body = (options: string) =>
      `{"model":"demo","temperature":0,"stream":true,${fields}${options}}`;
    const told = await post(
      simulators.origins[0],
      path,
      body(',"stream_options":{"include_usage":true}'),
    );
    const usage = JSON.parse(
      /"usage":(\{.*?\}\})|"usage":(\{[^{}]*\})/.exec(told)!.slice(1).find(Boolean)!,
    );
    for (const [asked, options] of ASKED) {
      const direct = await post(simulators.origins[0], path, body(options));
      const through = await post(gateway.url, path, body(options), headers);
      assert.equal(plain(through), plain(direct), `asked for ${asked}`);
      assert.ok(!through.includes('"usage"'), `asked for ${asked}`);
    }
    // Each choice is a record of its own.
    const all = await charged(fleet, ASKED.length * (what.includes("n 2") ? 2 : 1));
    for (const one of all) {
      assert.deepEqual(
        [one.prompt, one.completion, one.estimated],
        [usage.prompt_tokens, usage.completion_tokens, false],
      );
    }
    const asked = (await fleet.asked(0)).filter(({ path: seen }) => seen === path).slice(1);
    for (const { body } of asked.filter((_, index) => index % 2 === 1)) {
      const { stream_options } = body as { stream_options: Record<string, unknown> };
      assert.deepEqual(stream_options, { include_usage: true });
    }
  });
}

Deno.test("access 18: who asks for usage gets it once, with each event where that was asked for", async () => {
  await using fleet = await startKeyed({}, { count: 1 });
  const { headers } = bearer(KEY.key);
  for (
    const options of [{ include_usage: true }, {
      include_usage: true,
      continuous_usage_stats: true,
    }]
  ) {
    const body = JSON.stringify(
      chatBody({ stream: true, temperature: 0, stream_options: options }),
    );
    const path = "/v1/chat/completions";
    const direct = await post(fleet.simulators.origins[0], path, body);
    const through = await post(fleet.gateway.url, path, body, headers);
    assert.equal(plain(through), plain(direct));
  }
});

Deno.test("access 18: a request without stream is not asked, and its options are the client's own fault", async () => {
  await using fleet = await startKeyed({}, { count: 1 });
  const { headers } = bearer(KEY.key);
  const path = "/v1/chat/completions";
  for (
    const more of [{}, { stream: false }, {
      stream: false,
      stream_options: { include_usage: false },
    }]
  ) {
    const body = JSON.stringify(chatBody({ temperature: 0, ...more }));
    const direct = await post(fleet.simulators.origins[0], path, body);
    const through = await post(fleet.gateway.url, path, body, headers);
    assert.equal(plain(through), plain(direct));
  }
});

Deno.test("access 18: without limits that need it nobody is asked", async () => {
  await using fleet = await startFleet({ count: 1 });
  await (await fleet.chat({ stream: true })).text();
  const [{ body }] = await fleet.asked(0);
  assert.ok(!("stream_options" in (body as Record<string, unknown>)));
});

for (const resume of ["exact", "continue", "replay"] as const) {
  for (const fault of ["cut:6", "abort:4"]) {
    Deno.test(`access 13: ${resume}, ${fault}: a resumed answer is charged once, and its client sees no usage`, async () => {
      await using fleet = await startKeyed({ resume: resume === "replay" ? "continue" : resume });
      const { gateway, simulators } = fleet;
      const { headers } = bearer(KEY.key);
      const format = resume === "replay" ? { response_format: { type: "json_object" } } : {};
      const body = chatBody({ stream: true, temperature: 0, max_tokens: 30, ...format });
      await simulators.fail(0, fault, { count: 1 });
      const answers = [];
      for (let i = 0; i < 2; i++) {
        const answer = await readSse(await gateway.post("/v1/chat/completions", body, { headers }));
        assert.ok(answer.done && answer.error === null);
        assert.ok(answer.json.every((chunk) => !("usage" in chunk)));
        answers.push(answer);
      }
      const [one, other] = await charged(fleet, 2);
      assert.deepEqual([one.prompt, one.completion], [other.prompt, other.completion]);
      assert.deepEqual([one.estimated, other.estimated], [false, false]);
      const records = await fleet.records(2, 0);
      assert.equal(records.complete.filter(({ meta }) => "resumed" in meta).length, 1);
    });
  }
}

Deno.test("access 13: a broken answer of two choices is asked for again and charged once", async () => {
  await using fleet = await startKeyed();
  const { headers } = bearer(KEY.key);
  const body = chatBody({ stream: true, temperature: 0, max_tokens: 20, n: 2, seed: 1 });
  await fleet.simulators.fail(0, "cut:6", { count: 1 });
  for (let i = 0; i < 2; i++) {
    const init = { headers };
    const answer = await readSse(await fleet.gateway.post("/v1/chat/completions", body, init));
    assert.ok(answer.done && answer.error === null);
    assert.ok(answer.json.every((chunk) => !("usage" in chunk)));
  }
  // Each choice is a record of its own.
  const all = await charged(fleet, 4);
  for (const one of all) {
    assert.deepEqual(
      [one.prompt, one.completion, one.estimated],
      [all[0].prompt, all[0].completion, false],
    );
  }
});

Deno.test("access 12: a stream that its client leaves is charged by the tokens that came", async () => {
  await using fleet = await startKeyed({}, {
    count: 1,
    simulate: ["--tokens-per-second", "50"],
  });
  const { headers } = bearer(KEY.key);
  const leave = new AbortController();
  const response = await fleet.chat({ stream: true, max_tokens: 500 }, {
    headers,
    signal: leave.signal,
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.split('"content":"').length < 8) text += (await reader.read()).value;
  leave.abort();
  await reader.closed.catch(() => {});
  const [one] = await charged(fleet, 0, 1);
  const [{ tokens_sent }] = await fleet.asked(0);
  assert.ok(one.prompt > 0);
  assert.ok(
    one.completion >= 6 && one.completion <= tokens_sent,
    `${one.completion} of ${tokens_sent}`,
  );
  assert.equal(one.estimated, false);
});

/** A server that knows no `stream_options`; its events say what they are told to. */
function picky(refuses: boolean, events: (asked: boolean) => string[]) {
  return startUpstream((seen) => {
    const body = JSON.parse(seen.text) as Record<string, unknown>;
    if (refuses && "stream_options" in body) {
      const error = { message: "Unrecognized request argument supplied: stream_options" };
      return Response.json({ error }, { status: 400 });
    }
    if ("return_token_ids" in body) {
      const error = { message: "Unrecognized request argument supplied: return_token_ids" };
      return Response.json({ error }, { status: 400 });
    }
    const text = events("stream_options" in body).map((data) => `data: ${data}\n\n`).join("");
    return new Response(`${text}data: [DONE]\n\n`, {
      headers: { "content-type": "text/event-stream" },
    });
  });
}

const delta = (content: string, end: string | null = null) =>
  `{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,` +
  `"delta":{"content":${JSON.stringify(content)}},"finish_reason":${end && `"${end}"`}}]`;

Deno.test("access 18: an instance that refuses stream_options is asked without, from then on", async () => {
  await using upstream = picky(true, () => [`${delta("hi")}}`, `${delta("", "stop")}}`]);
  await using gateway = await keyedGateway(upstream, [KEY], { limits: LIMITS });
  const body = { model: "m", stream: true, messages: [{ role: "user", content: "hello" }] };
  for (let i = 0; i < 3; i++) {
    const response = await gateway.post("/v1/chat/completions", body, bearer(KEY.key));
    assert.equal(response.status, 200);
    assert.match(await response.text(), /"hi"[^]*\[DONE\]/);
  }
  // Two options that it does not know, each learned once.
  assert.equal(upstream.seen.length, 5);
});

Deno.test("access 18: `usage: null` that a vendor writes because it was asked is not seen", async () => {
  const usage = '{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}';
  for (const tail of ["", ',"obfuscation":"abc"', ',"service_tier":"default"']) {
    const events = (nulls: string) => [
      `${delta('say \\"usage\\":null,')}${nulls}${tail}}`,
      `${delta("b")}${nulls}${tail && `${tail.slice(0, -1)}xyz"`}}`,
      `${delta(',"usage":null', "stop")}${nulls}${tail}}`,
    ];
    await using upstream = picky(
      false,
      (asked) =>
        asked
          ? [...events(',"usage":null'), `{"id":"x","choices":[],"usage":${usage}${tail}}`]
          : events(""),
    );
    await using gateway = await keyedGateway(upstream, [KEY], {
      limits: LIMITS,
      instances: [],
      fallback_instances: [{ url: upstream.url, model_name: "m" }],
    });
    const body = { model: "m", stream: true, messages: [{ role: "user", content: "hello" }] };
    const response = await gateway.post("/v1/chat/completions", body, bearer(KEY.key));
    const expected = [...events(""), "[DONE]"].map((data) => `data: ${data}\n\n`).join("");
    assert.equal(await response.text(), expected);
    const page = await (await fetch(`${gateway.url}/v1/key`, bearer(KEY.key))).json();
    assert.ok(JSON.stringify(page).includes("10"), JSON.stringify(page));
  }
});

Deno.test("access 17: the Messages API tells its usage itself, with what was cached beside it", async () => {
  await using fleet = await startKeyed({}, { count: 1 });
  const { headers } = bearer(KEY.key);
  const body = JSON.stringify(chatBody({ stream: true }));
  const direct = await post(fleet.simulators.origins[0], "/v1/messages", body);
  const through = await post(fleet.gateway.url, "/v1/messages", body, headers);
  assert.equal(plain(through), plain(direct));
  const [one] = await charged(fleet, 1);
  assert.ok(one.prompt > 0 && one.completion > 0 && !one.estimated, JSON.stringify(one));
});

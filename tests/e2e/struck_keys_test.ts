// An instance's own key is not given away by the instance's own words, however it writes them.

import assert from "node:assert/strict";
import { quietGatewayFor } from "../support/gateway_for.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const KEY = "sk-Proj/9+aB_cD.Zuerich7";

const FORMS: Readonly<Record<string, string>> = {
  plain: KEY,
  "in capitals": KEY.toUpperCase(),
  "escaped as JSON": JSON.stringify(KEY).slice(1, -1).replaceAll("/", "\\/"),
  "escaped as ASCII": Array.from(
    KEY,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  ).join(""),
  "as of a URL": encodeURIComponent(KEY),
  "as of HTML": Array.from(KEY, (char) => `&#${char.charCodeAt(0)};`).join(""),
  "as hexadecimal HTML": Array.from(KEY, (char) => `&#x${char.charCodeAt(0).toString(16)};`).join(
    "",
  ),
  hex: Array.from(new TextEncoder().encode(KEY), (byte) => byte.toString(16).padStart(2, "0"))
    .join(""),
  base64: btoa(KEY),
  "base64 of what stands before it": btoa(`:${KEY}`),
  "base64 of what stands round it": btoa(`user:${KEY} is wrong`),
  "base64 for URLs": btoa(`ab${KEY}`).replaceAll("+", "-").replaceAll("/", "_"),
};

/** What of a form nobody may see: not its ends, which base64 shares with its neighbours. */
const TELLING = new Map(
  Object.entries(FORMS).map(([form, text]) => [form, text.slice(6, text.length - 10)]),
);

function gatewayOf({ url }: Upstream) {
  return quietGatewayFor({ url, api_key: KEY, name: "vendor" }, {
    resume: { default: "off", patience: 0 },
    record: { enabled: true },
  });
}

function refusal(status: number, words: string): Response {
  const body =
    `{"error":{"message":"Incorrect API key provided: Bearer ${words}","code":${status}}}`;
  // Latin-1 in fields, as HTTP has it.
  const field = /^[\x20-\x7e]*$/.test(words) ? words : "none";
  return new Response(body, {
    status,
    headers: { "content-type": "application/json", "x-your-key": field },
  });
}

function events(...data: string[]): Response {
  return new Response(data.map((one) => `data: ${one}\n\n`).join(""), {
    headers: { "content-type": "text/event-stream" },
  });
}

const CHUNK = JSON.stringify({
  id: "c1",
  object: "chat.completion.chunk",
  created: 1,
  model: "demo",
  choices: [{ index: 0, delta: { role: "assistant", content: "hello" }, finish_reason: null }],
});

const WAYS: Readonly<Record<string, (words: string) => Response>> = {
  "400": (words) => refusal(400, words),
  "401": (words) => refusal(401, words),
  "403": (words) => refusal(403, words),
  "404": (words) => refusal(404, words),
  "422": (words) => refusal(422, words),
  "500": (words) => refusal(500, words),
  "a body of two megabytes": (words) =>
    new Response(`${"x".repeat(2_000_000)} ${words}`, { status: 400 }),
  "a 200 with an error": (words) => Response.json(JSON.parse(`{"error":{"message":"${words}"}}`)),
  "a stream that begins so": (words) => events(`{"error":{"message":"${words}","code":400}}`),
  "a stream that ends so": (words) =>
    events(CHUNK, `{"error":{"message":"no: ${words}","code":500}}`),
};

Deno.test("a key is struck out of an instance's words in every form and place", async () => {
  await using vendor = startUpstream();
  await using gateway = await gatewayOf(vendor);
  for (const path of ["/v1/chat/completions", "/v1/messages"]) {
    for (const [way, answer] of Object.entries(WAYS)) {
      for (const [form, words] of Object.entries(FORMS)) {
        if (way.includes("megabytes") && form !== "plain") continue;
        vendor.answer = () => answer(words);
        const stream = way.includes("stream");
        const response = await gateway.post(path, {
          model: "demo",
          messages: [],
          input: "x",
          max_tokens: 2,
          stream,
        });
        const seen = `${JSON.stringify([...response.headers])}\n${await response.text()}`;
        assert.ok(!seen.includes(TELLING.get(form)!), `${path}, ${way}, ${form}: ${seen}`);
      }
    }
  }
  await gateway.stop();
  const files = [gateway.output()];
  for (const folder of ["errors", "incomplete"]) {
    for await (const { name } of Deno.readDir(`${gateway.dataDir}/${folder}`)) {
      files.push(await Deno.readTextFile(`${gateway.dataDir}/${folder}/${name}`));
    }
  }
  for (const [form, telling] of TELLING) {
    assert.ok(files.every((text) => !text.includes(telling)), `${form} in log or files`);
  }
});

Deno.test("a body of 4xx that is compressed or UTF-16 does not hide the key", async () => {
  await using vendor = startUpstream();
  await using gateway = await gatewayOf(vendor);
  const message = `{"error":{"message":"wrong key ${KEY}"}}`;
  for (const coding of ["gzip", "deflate"] as const) {
    vendor.answer = () =>
      new Response(
        new Blob([message]).stream().pipeThrough(new CompressionStream(coding)),
        { status: 400, headers: { "content-encoding": coding } },
      );
    const response = await gateway.post("/v1/chat/completions", { model: "demo", messages: [] });
    assert.equal(response.status, 400);
    const said = await response.text();
    assert.ok(said.includes("wrong key") && !said.includes("aB_cD"), said);
  }
  vendor.answer = () => {
    const wide = new Uint8Array(message.length * 2);
    for (let i = 0; i < message.length; i++) wide[2 * i] = message.charCodeAt(i);
    return new Response(wide, { status: 400 });
  };
  const response = await gateway.post("/v1/chat/completions", { model: "demo", messages: [] });
  const said = (await response.text()).replaceAll("\0", "");
  assert.ok(!said.includes("aB_cD"), said);
});

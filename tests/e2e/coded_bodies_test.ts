// Bodies that are not as they look: compressed ones, in both directions, and JSON behind a mark.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import zlib from "node:zlib";
import { quietGatewayFor } from "../support/gateway_for.ts";
import { completion, startUpstream } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";

const CHAT = "/v1/chat/completions";
const BODY = JSON.stringify({ model: "demo", messages: [{ role: "user", content: "hello" }] });

const CODINGS: [name: string, encode: (body: string | Uint8Array) => Uint8Array][] = [
  ["gzip", zlib.gzipSync],
  ["x-gzip", zlib.gzipSync],
  ["GZIP", zlib.gzipSync],
  ["deflate", zlib.deflateSync],
  ["deflate", zlib.deflateRawSync],
  ["br", zlib.brotliCompressSync],
  ["zstd", zlib.zstdCompressSync],
];

function post(url: string, coding: string, body: Uint8Array): Promise<Response> {
  return fetch(url + CHAT, {
    method: "POST",
    headers: { "content-type": "application/json", "content-encoding": coding },
    body: body as Uint8Array<ArrayBuffer>,
  });
}

Deno.test("a compressed request arrives plain, whatever its coding", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  for (const [coding, encode] of CODINGS) {
    const response = await post(gateway.url, coding, encode(BODY));
    await response.body?.cancel();
    assert.equal(response.status, 200, coding);
    const { text, headers } = instance.seen.at(-1)!;
    assert.equal(text, BODY, coding);
    assert.equal(headers.get("content-encoding"), null);
    assert.equal(headers.get("content-length"), String(BODY.length));
  }
});

Deno.test("a coding that nobody here knows is 415, and named", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  for (const coding of ["compress", "gzip, br", "aes128gcm", "constructor", "__proto__"]) {
    const response = await post(gateway.url, coding, zlib.gzipSync(BODY));
    assert.equal(response.status, 415, coding);
    const { error } = await response.json();
    assert.match(error.message, new RegExp(`Content-Encoding \`${coding}\``));
    assert.match(error.message, /gzip, deflate, br, zstd/);
  }
  assert.equal(instance.seen.length, 0);
});

Deno.test("identity beside a coding, and several members in one body, are what they say", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  const half = BODY.length >> 1;
  const members = [BODY.slice(0, half), BODY.slice(half)].map((part) => zlib.gzipSync(part));
  for (
    const [coding, body] of [
      ["identity", new TextEncoder().encode(BODY)],
      ["identity, gzip", zlib.gzipSync(BODY)],
      [" Gzip , identity", zlib.gzipSync(BODY)],
      ["gzip", Buffer.concat(members)],
    ] as const
  ) {
    const response = await post(gateway.url, coding, body.slice());
    await response.body?.cancel();
    assert.equal(response.status, 200, coding);
    assert.equal(instance.seen.at(-1)!.text, BODY, coding);
  }
});

Deno.test("a coded body that is cut short is 400, whatever its coding", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  for (const [coding, encode] of CODINGS) {
    const whole = encode(BODY);
    const response = await post(gateway.url, coding, whole.slice(0, whole.length - 5));
    await response.body?.cancel();
    assert.equal(response.status, 400, coding);
  }
  assert.equal(instance.seen.length, 0);
});

Deno.test("JSON in UTF-16 is read as vLLM reads it, and arrives in UTF-8", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  // Longer than what is looked at in one go, so that a character stands across two pieces.
  const long = JSON.stringify({ model: "demo", messages: [], user: `x${"你😀".repeat(200_000)}` });
  for (const text of [BODY, long]) {
    for (const mark of ["\ufeff", ""]) {
      for (const big of [false, true]) {
        const units = mark + text;
        const bytes = new DataView(new ArrayBuffer(units.length * 2));
        for (let i = 0; i < units.length; i++) bytes.setUint16(2 * i, units.charCodeAt(i), !big);
        const response = await fetch(gateway.url + CHAT, {
          method: "POST",
          headers: { "content-type": "application/json; charset=utf-16" },
          body: bytes.buffer,
        });
        await response.body?.cancel();
        assert.equal(response.status, 200, `mark ${mark !== ""}, big ${big}`);
        assert.ok(instance.seen.at(-1)!.text === text);
      }
    }
  }
  const wider = new Uint8Array([0xff, 0xfe, 0, 0, 123, 0, 0, 0, 125, 0, 0, 0]);
  const response = await fetch(gateway.url + CHAT, { method: "POST", body: wider });
  await response.body?.cancel();
  assert.equal(response.status, 400);
});

Deno.test("what is not in the coding that it names is 400", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  for (const coding of ["gzip", "deflate", "br", "zstd"]) {
    const response = await post(gateway.url, coding, new TextEncoder().encode(BODY));
    assert.equal(response.status, 400, coding);
    assert.match((await response.json()).error.message, new RegExp(`not valid ${coding}`));
  }
  assert.equal(instance.seen.length, 0);
});

Deno.test("a small body that would become a huge one is 413 and takes little memory", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url, { max_body_bytes: 1_000_000 });
  const huge = new Uint8Array(200_000_000);
  for (const [coding, encode] of CODINGS.filter(([name]) => name !== "GZIP" && name !== "br")) {
    const response = await post(gateway.url, coding, encode(huge).slice());
    assert.equal(response.status, 413, coding);
    assert.match((await response.json()).error.message, /max_body_bytes/);
  }
  const status = await Deno.readTextFile(`/proc/${gateway.pid}/status`);
  const peakMiB = Number(/VmHWM:\s+(\d+)/.exec(status)![1]) / 1024;
  assert.ok(peakMiB < 300, `${peakMiB} MiB`);
  assert.equal(instance.seen.length, 0);
});

Deno.test("a byte order mark before JSON means nothing", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  const response = await gateway.post(CHAT, `\ufeff${BODY}`);
  await response.body?.cancel();
  assert.equal(response.status, 200);
  assert.equal(instance.seen[0].text, BODY);
});

Deno.test("answers that come compressed are given on plain, and recorded", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  const answerWith = async (
    coding: string,
    encode: (body: Uint8Array) => Uint8Array,
    plain: Response,
  ) => {
    const { status, headers } = plain;
    const bytes = encode(new Uint8Array(await plain.arrayBuffer()));
    headers.set("content-encoding", coding);
    headers.delete("content-length");
    instance.answer = () =>
      new Response(bytes as Uint8Array<ArrayBuffer>, { status, headers: [...headers] });
  };
  const records = async () => {
    let text = "";
    for await (const { name } of Deno.readDir(`${gateway.dataDir}/requests_responses`)) {
      text += await Deno.readTextFile(`${gateway.dataDir}/requests_responses/${name}`);
    }
    return text;
  };
  for (const [coding, encode] of CODINGS.filter(([name]) => /^(gzip|deflate|br)$/.test(name))) {
    if (encode === zlib.deflateRawSync) continue;
    await answerWith(coding, encode, completion(`whole by ${coding}`));
    const whole = await gateway.post(CHAT, BODY);
    assert.equal(whole.headers.get("content-encoding"), null);
    assert.equal((await whole.json()).choices[0].message.content, `whole by ${coding}`);
    const chunk = (delta: unknown, finish: string | null) =>
      `data: ${
        JSON.stringify({
          id: "c1",
          object: "chat.completion.chunk",
          created: 1,
          model: "demo",
          choices: [{ index: 0, delta, finish_reason: finish }],
        })
      }\n\n`;
    const events = chunk({ role: "assistant", content: `streamed by ${coding}` }, null) +
      chunk({}, "stop") + "data: [DONE]\n\n";
    const headers = { "content-type": "text/event-stream" };
    await answerWith(coding, encode, new Response(events, { headers }));
    const stream = await gateway.post(CHAT, { ...JSON.parse(BODY), stream: true });
    assert.equal(await stream.text(), events);
    await waitFor(async () => {
      const text = await records().catch(() => "");
      return text.includes(`whole by ${coding}`) && text.includes(`streamed by ${coding}`);
    }, `records of ${coding}`);
  }
  const down = Response.json({ error: { message: "engine dead" } }, { status: 500 });
  await answerWith("gzip", zlib.gzipSync, down);
  const failed = await gateway.post(CHAT, BODY);
  assert.equal(failed.status, 502);
  assert.match((await failed.json()).error.message, /answered 500: engine dead/);
  instance.answer = () =>
    new Response("no gzip at all", {
      headers: { "content-type": "application/json", "content-encoding": "gzip" },
    });
  const broken = await gateway.post(CHAT, BODY);
  assert.equal(broken.status, 502);
  assert.match((await broken.json()).error.message, /its answer is not proper gzip/);
});

/** A gigabyte of spaces in brotli: a thousand bytes. */
async function packedGigabyte(): Promise<Uint8Array> {
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN } = zlib.constants;
  const coder = zlib.createBrotliCompress({
    params: { [BROTLI_PARAM_QUALITY]: 5, [BROTLI_PARAM_LGWIN]: 24 },
  });
  const spaces = new Uint8Array(16 * 1024 * 1024).fill(32);
  const source = Readable.from(Array(64).fill(spaces), { objectMode: false });
  return Buffer.concat(await Array.fromAsync(source.pipe(coder)));
}

Deno.test("an answer of a few bytes that would become a huge one takes little memory", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  const packed = await packedGigabyte();
  const answerAs = (type: string) => {
    instance.answer = () =>
      new Response(packed.slice(), { headers: { "content-type": type, "content-encoding": "br" } });
  };
  answerAs("application/json");
  const whole = await gateway.post(CHAT, BODY);
  let size = 0;
  for await (const piece of whole.body!) {
    size += piece.length;
    if (size > 100_000_000) break;
  }
  answerAs("text/event-stream");
  const stream = await gateway.post(CHAT, { ...JSON.parse(BODY), stream: true });
  assert.equal(stream.status, 502);
  assert.match((await stream.json()).error.message, /an event of more than \d+ bytes/);
  const status = await Deno.readTextFile(`/proc/${gateway.pid}/status`);
  const peakMiB = Number(/VmHWM:\s+(\d+)/.exec(status)![1]) / 1024;
  assert.ok(peakMiB < 500, `${peakMiB} MiB`);
});

Deno.test("an answer in several gzip members, and in any form of deflate, arrives whole", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  const text = await completion("in parts").text();
  const members = [text.slice(0, 40), text.slice(40)].map((part) => zlib.gzipSync(part));
  for (
    const [coding, body] of [
      ["gzip", Buffer.concat(members)],
      ["gzip, identity", zlib.gzipSync(text)],
      ["deflate", zlib.deflateRawSync(text)],
      ["zstd", zlib.zstdCompressSync(text)],
    ] as const
  ) {
    instance.answer = () =>
      new Response(body.slice(), {
        headers: { "content-type": "application/json", "content-encoding": coding },
      });
    const response = await gateway.post(CHAT, BODY);
    assert.equal(response.status, 200, coding);
    assert.equal(response.headers.get("content-encoding"), null);
    assert.equal(await response.text(), text, coding);
  }
});

Deno.test("streams tell proxies not to hold them back, whole answers do not", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  const whole = await gateway.post(CHAT, BODY);
  await whole.body?.cancel();
  assert.equal(whole.headers.get("x-accel-buffering"), null);
  const streamed = async (more: Record<string, string>) => {
    instance.answer = () =>
      new Response('data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n', {
        headers: { "content-type": "text/event-stream", ...more },
      });
    const response = await gateway.post(CHAT, { ...JSON.parse(BODY), stream: true });
    await response.body?.cancel();
    return ["x-accel-buffering", "cache-control"].map((name) => response.headers.get(name));
  };
  assert.deepEqual(await streamed({}), ["no", "no-cache"]);
  assert.deepEqual(
    await streamed({ "x-accel-buffering": "yes", "cache-control": "no-store" }),
    ["yes", "no-store"],
  );
});

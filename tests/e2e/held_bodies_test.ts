// What the bodies of all requests may take of the memory: counted however they come, given back however
// they end, waited for or refused where there is no room.

import assert from "node:assert/strict";
import zlib from "node:zlib";
import { quietGatewayFor } from "../support/gateway_for.ts";
import type { GatewayProcess } from "../support/processes.ts";
import { completion, startUpstream } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";

const CHAT = "/v1/chat/completions";
const JSON_TYPE = { "content-type": "application/json" };
const CODED = { ...JSON_TYPE, "content-encoding": "zstd" };
const MIB = 1024 * 1024;
const MAX_BODY_BYTES = 4 * MIB;
const LISTENERS = ["http1", "deno_serve"] as const;
const TRANSPORTS = ["auto", "fetch"] as const;

function chat(bytes: number, name = "anybody"): string {
  const content = "x".repeat(bytes);
  return JSON.stringify({ model: "demo", messages: [{ role: "user", name, content }] });
}

class Stand implements AsyncDisposable {
  readonly #answered = Promise.withResolvers<void>();
  /** "waiter" gets its answer when it is told so, "failing" none. */
  readonly instance = startUpstream(async ({ text }) => {
    if (text.includes('"waiter"')) await this.#answered.promise;
    return text.includes('"failing"') ? new Response("no", { status: 500 }) : completion();
  });
  gateway!: GatewayProcess;

  static async start(config: Record<string, unknown>): Promise<Stand> {
    const stand = new Stand();
    const limits = { max_body_bytes: MAX_BODY_BYTES, max_held_body_bytes: 16 * MIB };
    stand.gateway = await quietGatewayFor(stand.instance.url, { ...limits, ...config });
    return stand;
  }

  answer(): void {
    this.#answered.resolve();
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.gateway.url}/metrics`)).text();
    return Number(new RegExp(`^gateway_request_bodies_${name} (\\S+)$`, "m").exec(text)?.[1]);
  }

  async holds(bytes: number): Promise<void> {
    await waitFor(async () => await this.metric("held_bytes") >= bytes, `${bytes} to be held`);
  }

  async isEmpty(after: string): Promise<void> {
    await waitFor(async () => await this.metric("held_bytes") === 0, `nothing held after ${after}`);
  }

  post(body: BodyInit, headers: HeadersInit = JSON_TYPE, path = CHAT, signal?: AbortSignal) {
    return fetch(this.gateway.url + path, { method: "POST", headers, body, signal });
  }

  async status(asked: Promise<Response>): Promise<number> {
    const response = await asked;
    await response.body?.cancel();
    return response.status;
  }

  /** Sends `sent` bytes of a body that says it has `whole`; the rest is left to be sent. */
  async postPart(sent: number, whole: number): Promise<Deno.TcpConn> {
    const connection = await Deno.connect({ port: this.gateway.port });
    const head = `POST ${CHAT} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n` +
      `connection: close\r\ncontent-length: ${whole}\r\n\r\n`;
    const bytes = new TextEncoder().encode(head + "x".repeat(sent));
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    return connection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.answer();
    await this.gateway[Symbol.asyncDispose]();
    await this.instance[Symbol.asyncDispose]();
  }
}

const inPieces = (text: string) => new Blob([text]).stream();
const zipped = (text: string) => zlib.zstdCompressSync(text) as Uint8Array<ArrayBuffer>;
const utf16 = (text: string) => Uint16Array.from(text, (char) => char.charCodeAt(0)).buffer;

function form(bytes: number): FormData {
  const data = new FormData();
  data.set("model", "demo");
  data.set("file", new Blob([new Uint8Array(bytes)]), "a.wav");
  return data;
}

for (const listener of LISTENERS) {
  for (const transport of TRANSPORTS) {
    Deno.test(`${listener}, ${transport}: however a request ends, nothing is held of it`, async () => {
      await using stand = await Stand.start({ listener, transport });
      const long = chat(3 * MIB);
      const tooLong = chat(5 * MIB);
      const speech = "/v1/audio/transcriptions";
      const ends: [string, number, () => Promise<Response>][] = [
        ["an answer", 200, () => stand.post(chat(10))],
        ["a long body", 200, () => stand.post(long)],
        ["one in pieces", 200, () => stand.post(inPieces(long))],
        ["a coded one", 200, () => stand.post(zipped(long), CODED)],
        ["UTF-16", 200, () => stand.post(utf16(chat(MIB)))],
        ["a form", 200, () => stand.post(form(3 * MIB), {}, speech)],
        ["too long a one", 413, () => stand.post(tooLong)],
        ["too long in pieces", 413, () => stand.post(inPieces(tooLong))],
        ["too long once decoded", 413, () => stand.post(zipped(tooLong), CODED)],
        ["what is not coded", 400, () => stand.post(long, CODED)],
        ["what breaks off", 400, () => stand.post(zipped(long).subarray(0, 60), CODED)],
        ["no JSON", 400, () => stand.post("x".repeat(3 * MIB))],
        ["no such model", 404, () => stand.post(long.replace("demo", "none"))],
        ["a failing instance", 502, () => stand.post(chat(3 * MIB, "failing"))],
      ];
      for (const [end, status, ask] of ends) {
        assert.equal(await stand.status(ask()), status, end);
        await stand.isEmpty(end);
      }
      assert.equal(await stand.metric("refused_total"), 0);
    });

    Deno.test(`${listener}, ${transport}: of a client that left nothing is held`, async () => {
      await using stand = await Stand.start({ listener, transport });
      const sending = await stand.postPart(2 * MIB, 3 * MIB);
      await stand.holds(MIB);
      sending.close();
      await stand.isEmpty("a client that left while it sent");
      const leaver = new AbortController();
      const left = stand.post(chat(3 * MIB, "waiter"), JSON_TYPE, CHAT, leaver.signal);
      await stand.holds(3 * MIB);
      leaver.abort();
      await assert.rejects(left);
      // Deno.serve does not tell that a client has left after a body of this length.
      if (listener === "deno_serve") stand.answer();
      await stand.isEmpty("a client that left while it waited");
    });
  }

  Deno.test(`${listener}: large bodies beyond their share are refused, small ones are not`, async () => {
    await using stand = await Stand.start({ listener });
    const held = [1, 2, 3].map(() => stand.post(chat(3.9 * MIB, "waiter")));
    await stand.holds(11 * MIB);
    const refused = [
      stand.post(chat(3 * MIB)),
      stand.post(inPieces(chat(3 * MIB)), JSON_TYPE, "/v1/messages"),
      stand.post(zipped(chat(3 * MIB)), CODED, "/v1/responses"),
    ];
    for (let round = 0; round < 20; round++) {
      assert.equal(await stand.status(stand.post(chat(100_000))), 200);
    }
    for (const [at, response] of (await Promise.all(refused)).entries()) {
      assert.equal(response.status, 503);
      assert.equal(response.headers.get("retry-after"), "5");
      const said = await response.json();
      assert.match(said.error.message, /max_held_body_bytes/);
      assert.equal(said.type, at === 1 ? "error" : undefined);
    }
    assert.equal(await stand.metric("refused_total"), 3);
    stand.answer();
    for (const one of held) assert.equal(await stand.status(one), 200);
    await stand.isEmpty("all");
  });

  Deno.test(`${listener}: a large body waits for room, which a reload may bring`, async () => {
    await using stand = await Stand.start({ listener });
    const { gateway, instance } = stand;
    const held = [1, 2, 3].map(() => stand.post(chat(3.9 * MIB, "waiter")));
    await stand.holds(11 * MIB);
    const waiting = stand.post(chat(3 * MIB));
    await gateway.writeConfig({
      ...{ listener, max_body_bytes: MAX_BODY_BYTES, max_held_body_bytes: 64 * MIB },
      ...{ instances: [{ url: instance.url, model_name: "demo" }], health_check: false },
    });
    assert.equal(await stand.status(waiting), 200);
    stand.answer();
    for (const one of held) assert.equal(await stand.status(one), 200);
    await stand.isEmpty("a reload");
  });
}

Deno.test("bodies that only wait for each other are not waited for", async () => {
  await using stand = await Stand.start({ max_body_bytes: 8 * MIB });
  const whole = 8 * MIB - 1024;
  const sent = 4_000_000;
  const parts = await Promise.all([1, 2, 3].map(() => stand.postPart(sent, whole)));
  await stand.holds(11 * MIB);
  const answers = parts.map(async (part) => {
    const rest = new Uint8Array(whole - sent);
    for (let at = 0; at < rest.length;) at += await part.write(rest.subarray(at));
    const answer = await new Response(part.readable).text();
    return answer.slice(0, answer.indexOf("\r\n"));
  });
  const lines = await Promise.all(answers);
  // Who makes way leaves room for one of the others, whose body is no JSON.
  assert.ok(lines.includes("HTTP/1.1 503 Service Unavailable"), lines.join());
  assert.ok(lines.includes("HTTP/1.1 400 Bad Request"), lines.join());
  await stand.isEmpty("all");
});

Deno.test("workers have one room together", async () => {
  await using stand = await Stand.start({ workers: 2 });
  const held = [1, 2, 3].map(() => stand.post(chat(3.9 * MIB, "waiter")));
  await stand.holds(11 * MIB);
  const others = Array.from({ length: 2 }, () => stand.post(chat(2 * MIB)));
  for (const one of others) assert.equal(await stand.status(one), 503);
  stand.answer();
  for (const one of held) assert.equal(await stand.status(one), 200);
  await stand.isEmpty("all");
});

Deno.test("http1: a client that falls silent after it has waited for room has as much time as any", async () => {
  await using stand = await Stand.start({ listener: "http1", body_timeout: 1 });
  const held = [1, 2, 3].map(() => stand.post(chat(3.9 * MIB, "waiter")));
  await stand.holds(11 * MIB);
  using silent = await Deno.connect({ port: stand.gateway.port });
  const head = `POST ${CHAT} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n`;
  const bytes = new TextEncoder().encode(`${head}200000\r\n${"x".repeat(1.2 * MIB)}`);
  for (let at = 0; at < bytes.length;) at += await silent.write(bytes.subarray(at));
  await stand.holds(12 * MIB);
  stand.answer();
  for (const one of held) assert.equal(await stand.status(one), 200);
  await stand.isEmpty("the time of a silent client");
});

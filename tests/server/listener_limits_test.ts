// What a client may send at all, against a whole gateway: every abuse gets a clear 4xx in the shape of
// the OpenAI API, reaches no instance, holds nothing, and leaves the gateway as it was.

import assert from "node:assert/strict";
import net from "node:net";
import { join } from "node:path";
import { Authority } from "../support/certificates.ts";
import {
  type GatewayProcess,
  type Simulators,
  startGateway,
  startSimulators,
  temporaryFolder,
} from "../support/processes.ts";
import { type RawAnswer, rawRequest, type RawRequestOptions } from "../support/raw_http.ts";
import { waitFor } from "../support/wait.ts";

const MAX_BODY_BYTES = 1_000_000;
const PATH = "/v1/chat/completions";
const HOST = "host: a\r\ncontent-type: application/json\r\n";
const CHAT = '{"model":"m","messages":[{"role":"user","content":"Hello"}]}';

class Stand implements AsyncDisposable {
  private constructor(readonly gateway: GatewayProcess, readonly instances: Simulators) {}

  static async start(config: Record<string, unknown> = {}, args: string[] = []): Promise<Stand> {
    const instances = await startSimulators({ args: ["--model", "m", ...args] });
    try {
      const gateway = await startGateway({
        config: {
          instances: [{ url: instances.urls[0], model_name: "m" }],
          health_check: false,
          max_body_bytes: MAX_BODY_BYTES,
          ...config,
        },
      });
      return new Stand(gateway, instances);
    } catch (error) {
      await instances.stop();
      throw error;
    }
  }

  raw(parts: RawRequestOptions["parts"], more: Partial<RawRequestOptions> = {}) {
    return rawRequest({ port: this.gateway.port, parts, deadlineMs: 10_000, ...more });
  }

  /** Sends a request that closes its connection. */
  send(head: string, body = ""): Promise<RawAnswer> {
    return this.raw([`${head}\r\n${HOST}connection: close\r\n\r\n${body}`]);
  }

  post(body: string): Promise<RawAnswer> {
    const length = new TextEncoder().encode(body).length;
    return this.send(`POST ${PATH} HTTP/1.1\r\ncontent-length: ${length}`, body);
  }

  /** Nothing is held, nothing was forwarded but what answered, and requests are answered still. */
  async isAsBefore(forwarded = 0): Promise<void> {
    await waitFor(async () => {
      const health = await (await fetch(`${this.gateway.url}/health`)).json();
      return health.waiting === 0 && health.instances[0].in_flight === 0 &&
        health.instances[0].recent_errors === 0;
    }, "counters at zero");
    const asked = (await this.instances.requests(0)).filter(({ path }) => path.includes(PATH));
    assert.equal(asked.length, forwarded);
    const said = this.gateway.output().length;
    assert.equal((await this.post(CHAT)).status, 200);
    // What went wrong before is told by now, as this one is.
    await waitFor(
      () => / status=200 /.test(this.gateway.output().slice(said)),
      () => `its line in the log: ${this.gateway.output()}`,
    );
    assert.doesNotMatch(this.gateway.output(), /uncaught|internal error|panicked/i);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.instances[Symbol.asyncDispose]();
  }
}

function refused(answer: RawAnswer, status: number, says: RegExp): void {
  assert.equal(answer.status, status, answer.text.slice(0, 500));
  assert.equal(answer.headers["content-type"], "application/json");
  const { error } = JSON.parse(answer.body);
  assert.equal(error.code, status);
  assert.match(error.message, says);
}

Deno.test("malformed requests and paths are refused clearly and reach no instance", async () => {
  await using stand = await Stand.start();
  const get = (target: string) => `GET ${target} HTTP/1.1`;
  const post = (fields: string) => `POST ${PATH} HTTP/1.1\r\n${fields}`;
  const cases: [head: string, status: number, says: RegExp][] = [
    [get("/v1/../health"), 400, /dot segment/],
    [get("/v1/%2e%2e/health"), 400, /dot segment/],
    [get("/v1/a%2Fb"), 400, /slash/],
    [get("/v1/a%5cb"), 400, /backslash/],
    [get("/v1/a%00b"), 400, /NUL/],
    [get("/v1/a%0ab"), 400, /control character/],
    [get("/v1/a%252fb"), 400, /doubly escaped/],
    [get("/v1/a\0b"), 400, /target/],
    [get("/v1/a\x01b"), 400, /target/],
    [get("ftp://a/v1/models"), 400, /target/],
    [get("*"), 400, /target/],
    [get("//v1/models"), 400, /empty segment/],
    [post("content-length: 5\r\ncontent-length: 5"), 400, /Content-Length/],
    [post("content-length: 5\r\ncontent-length: 6"), 400, /Content-Length/],
    [post("content-length: 5\r\ntransfer-encoding: chunked"), 400, /Transfer-Encoding/],
    [post("content-length: 5 5"), 400, /Content-Length/],
    [post("x : y\r\ncontent-length: 0"), 400, /field/],
    [post("x: y\r\n z: folded\r\ncontent-length: 0"), 400, /field/],
    [post("host: b\r\ncontent-length: 0"), 400, /Host/],
    [post("x: \0\r\ncontent-length: 0"), 400, /control character/],
    [post("x: y\r\n".repeat(150) + "content-length: 0"), 431, /128/],
    [post(`x: ${"y".repeat(80_000)}\r\ncontent-length: 0`), 431, /65536/],
    [get(`/${"x".repeat(80_000)}`), 414, /65536/],
  ];
  for (const [head, status, says] of cases) refused(await stand.send(head), status, says);
  await stand.isAsBefore();
});

Deno.test("malformed, deep and huge JSON is refused before any instance is asked", async () => {
  await using stand = await Stand.start();
  const deep = `{"model":"m","messages":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  const cases: [body: string, status: number, says: RegExp][] = [
    ["", 400, /no body/],
    ["null", 400, /object/],
    ["[]", 400, /object/],
    ["{", 400, /JSON/],
    [CHAT + "x", 400, /JSON/],
    ['{"model":"m"', 400, /JSON/],
    ['{"model":7}', 400, /model/],
    ['{"model":"absent"}', 404, /absent/],
    [deep, 400, /deep/],
    [`{"model":"m","x":${'{"a":'.repeat(1000)}1${"}".repeat(1000)}}`, 400, /deep/],
    [`{"model":"m","x":"${"y".repeat(MAX_BODY_BYTES)}"}`, 413, /max_body_bytes/],
  ];
  for (const [body, status, says] of cases) refused(await stand.post(body), status, says);
  await stand.isAsBefore();
});

Deno.test("a body beyond the limit is refused, however it is framed, and memory stays small", async () => {
  await using stand = await Stand.start();
  const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
  refused(
    await stand.send(`POST ${PATH} HTTP/1.1\r\ncontent-length: 999999999999`, "x"),
    413,
    /max_body_bytes/,
  );
  const endless = await stand.raw([
    `POST ${PATH} HTTP/1.1\r\n${HOST}transfer-encoding: chunked\r\n\r\n`,
    ...Array<string>(200).fill(chunk),
  ], { halfClose: true });
  refused(endless, 413, /max_body_bytes/);
  refused(
    await stand.send(`POST ${PATH} HTTP/1.1\r\ntransfer-encoding: chunked`, "zz\r\n"),
    400,
    /chunk size/,
  );
  // Good data in the same packet does not put the refusal off.
  refused(
    await stand.send(
      `POST ${PATH} HTTP/1.1\r\ntransfer-encoding: chunked`,
      "5\r\nhelloXX\r\n0\r\n\r\n",
    ),
    400,
    /longer than its size/,
  );
  await stand.isAsBefore();
});

Deno.test("clients that promise bodies and send none take little memory, and are let go", async () => {
  await using stand = await Stand.start({ max_body_bytes: 67_108_864, body_timeout: 2 });
  assert.equal((await stand.post(CHAT)).status, 200);
  const before = await residentBytes(stand.gateway);
  const promise = `POST ${PATH} HTTP/1.1\r\n${HOST}content-length: 67000000\r\n\r\n{`;
  const waiting = Array.from({ length: 300 }, () => stand.raw([promise]));
  const answers = await Promise.all(waiting);
  const more = await residentBytes(stand.gateway) - before;
  for (const answer of answers) refused(answer, 408, /body_timeout/);
  assert.ok(more < 150 * 1024 * 1024, `${more} bytes more`);
  await stand.isAsBefore(1);
});

Deno.test("heads and bodies that trickle are answered with 408", async () => {
  await using stand = await Stand.start({ head_timeout: 0.5, body_timeout: 0.5 });
  const head = `POST ${PATH} HTTP/1.1\r\n${HOST}`;
  const [slowHead, noHead, slowBody, noBody] = await Promise.all([
    stand.raw([...`${head}x: ${"y".repeat(100)}`], { pauseMs: 20 }),
    stand.raw(["POST "]),
    stand.raw([`${head}content-length: 500\r\n\r\n`, ..."x".repeat(150)], { pauseMs: 20 }),
    stand.raw([`${head}content-length: 500\r\n\r\n{`]),
  ]);
  refused(slowHead, 408, /head_timeout/);
  refused(noHead, 408, /head_timeout/);
  refused(slowBody, 408, /body_timeout/);
  refused(noBody, 408, /body_timeout/);
  await stand.isAsBefore();
});

Deno.test("an address may hold so many connections, and no more", async () => {
  await using stand = await Stand.start({ max_connections_per_address: 3 });
  const held = await Promise.all(
    [1, 2, 3].map(() => Deno.connect({ hostname: "127.0.0.1", port: stand.gateway.port })),
  );
  for (let i = 0; i < 5; i++) refused(await stand.post(CHAT), 429, /max_connections_per_address/);
  for (const connection of held) connection.close();
  await waitFor(async () => (await stand.post(CHAT)).status === 200, "room for a connection");
});

Deno.test("clients that leave in any phase hold nothing", async () => {
  await using stand = await Stand.start({}, ["--tokens-per-second", "20"]);
  const { instances } = stand;
  const streaming = CHAT.replace("{", '{"stream":true,"max_tokens":500,');
  const head = (length: number) =>
    `POST ${PATH} HTTP/1.1\r\n${HOST}content-length: ${length}\r\n\r\n`;
  const whole = head(streaming.length) + streaming;
  for (const parts of [[""], ["POST /v1"], [head(500)], [head(500), "{"]]) {
    await stand.raw(parts, { deadlineMs: 20 });
  }
  await waitFor(async () => {
    await stand.raw([whole], { until: ({ text }) => text.includes("data: ") });
    return (await instances.requests(0)).some(({ aborted }) => aborted);
  }, "a stream that was left");
  await stand.raw([whole], { deadlineMs: 30 });
  await stand.raw([whole], { halfClose: true });
  await waitFor(async () => {
    const health = await (await fetch(`${stand.gateway.url}/health`)).json();
    return health.waiting === 0 && health.instances[0].in_flight === 0;
  }, "counters at zero");
  await waitFor(async () => {
    const seen = (await instances.requests(0)).filter(({ path }) => path.includes(PATH));
    return seen.length > 0 && seen.every(({ finished, aborted }) => aborted || finished);
  }, "the instance to hear of every client that left");
});

/** Connections that are reset while they wait to be accepted, as probes of a port do. */
async function resetAtOnce(port: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise<void>((resolve, reject) => {
      const socket = net.connect(port, "127.0.0.1", () => {
        socket.once("close", () => resolve());
        socket.resetAndDestroy();
      });
      socket.once("error", reject);
    });
  }
}

for (const listener of ["http1", "deno_serve"]) {
  Deno.test(`${listener}: clients that are gone before they are accepted hold nobody up`, async () => {
    await using stand = await Stand.start({ listener });
    const { gateway } = stand;
    gateway.signal("SIGSTOP");
    await resetAtOnce(gateway.port, 50);
    const answer = stand.post(CHAT);
    gateway.signal("SIGCONT");
    assert.equal((await answer).status, 200);
    await stand.isAsBefore(1);
  });
}

Deno.test("nor do they over TLS", async () => {
  await using folder = await temporaryFolder();
  const authority = await Authority.make(folder.path);
  const { cert, key } = await authority.sign("localhost");
  const tls = { cert_file: join(folder.path, "cert"), key_file: join(folder.path, "key") };
  await Deno.writeTextFile(tls.cert_file, cert);
  await Deno.writeTextFile(tls.key_file, key);
  await using gateway = await startGateway({
    config: {
      instances: [{ url: "http://127.0.0.1:8001/v1", model_name: "m" }],
      health_check: false,
      tls,
    },
  });
  using client = Deno.createHttpClient({ caCerts: [authority.cert] });
  gateway.signal("SIGSTOP");
  await resetAtOnce(gateway.port, 50);
  const answer = fetch(`${gateway.url}/health`, { client });
  gateway.signal("SIGCONT");
  await (await answer).body?.cancel();
  assert.doesNotMatch(gateway.output(), /internal error/);
});

/** Resident memory of the gateway's process. */
async function residentBytes(gateway: GatewayProcess): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${gateway.pid}/status`).catch(() => "");
  // Only Linux tells; elsewhere the bound is not looked at.
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

// What a JSON request costs on each way to an instance and behind each listener: CPU of one process, the
// other end in a process of its own, alternating runs. `deno run -A tests/bench/transports.ts`
// prints the tables of docs/decisions/http1.md.

import http from "node:http";
import { setImmediate } from "node:timers";
import process from "node:process";
import { parseArgs } from "node:util";
import { FetchTransport } from "../../lib/forward/transport/fetch.ts";
import { Http1Transport } from "../../lib/forward/transport/http1.ts";
import { readFrom, type Transport } from "../../lib/forward/transport.ts";
import { listenDenoServe } from "../../lib/server/listener/deno_serve.ts";
import { ANY_BODY } from "../support/body_hold.ts";
import { listenOptions } from "../support/listen_options.ts";
import { listenHttp1 } from "../../lib/server/listener/http1.ts";

const CONNECTIONS = 64;
const WARM_UP = 4_000;
const ROUNDS = 5;
const REQUEST = new TextEncoder().encode(
  JSON.stringify({ model: "m", messages: ["x".repeat(250)] }),
);
const ANSWER = new TextEncoder().encode(JSON.stringify({ id: "x", choices: ["y".repeat(750)] }));
/** Of a streamed answer. */
const PIECES = 100;
const PIECE = new TextEncoder().encode(`data: {"x":"${"z".repeat(180)}"}\n\n`);
const HEADERS = [["content-type", "application/json"], ["authorization", "Bearer key"]] as const;

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "20000" },
    path: { type: "string", default: "/v1/x" },
    /** Set in the child processes. */
    client: { type: "string" },
    server: { type: "string" },
    port: { type: "string" },
  },
});
const requests = Number(values.requests);

/** One request and its whole answer. */
type Ask = () => Promise<void>;

function askOver(transport: Transport, url: string): Ask {
  return async () => {
    const call = transport.start({
      method: "POST",
      url,
      headers: HEADERS,
      body: [REQUEST],
      connectTimeoutS: 5,
    });
    await call.head;
    while (await readFrom(call) !== null);
  };
}

function askOverNode(port: number): Ask {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const headers = { ...Object.fromEntries(HEADERS), "content-length": REQUEST.length };
  return () =>
    new Promise((resolve, reject) => {
      const request = http.request(
        { agent, host: "127.0.0.1", port, path: "/v1/x", method: "POST", headers },
        (response) => {
          response.on("data", () => {});
          response.on("end", resolve);
          response.on("error", reject);
        },
      );
      request.on("error", reject);
      request.end(REQUEST);
    });
}

async function load(ask: Ask, count: number): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    while (left-- > 0) await ask();
  }));
}

/** CPU microseconds that this process has used. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function runClient(kind: string, port: number): Promise<void> {
  const url = `http://127.0.0.1:${port}${values.path}`;
  const ask = kind === "node:http"
    ? askOverNode(port)
    : askOver(kind === "fetch" ? new FetchTransport() : new Http1Transport(), url);
  await load(ask, Math.min(WARM_UP, requests));
  const cpu = cpuUs();
  const startedAt = performance.now();
  await load(ask, requests);
  const perSecond = requests / (performance.now() - startedAt) * 1000;
  console.log(JSON.stringify({ us: (cpuUs() - cpu) / requests, perSecond }));
  Deno.exit();
}

/** Serves until killed; GET /cpu tells the CPU used so far. */
function runServer(kind: string): void {
  if (kind.startsWith("Deno.serve")) {
    const watches = kind.endsWith("signal");
    const headers = Object.fromEntries(HEADERS);
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      async (request) => {
        if (request.url.endsWith("/cpu")) return new Response(String(cpuUs()));
        if (watches) request.signal.addEventListener("abort", () => {});
        await request.bytes();
        return new Response(ANSWER, { headers });
      },
    );
    return console.log(server.addr.port);
  }
  const open = kind === "deno_serve" ? listenDenoServe : listenHttp1;
  const listener = open({
    ...listenOptions(),
    bodyTimeoutS: 30,
    idleTimeoutS: 75,
    onError: console.error,
  }, async (request, reply) => {
    if (request.target === "/cpu") {
      return await reply.send(200, [], new TextEncoder().encode(String(cpuUs())));
    }
    await request.readBody(1 << 20, ANY_BODY);
    if (request.target !== "/v1/stream") return await reply.send(200, HEADERS, ANSWER);
    reply.begin(200, HEADERS, null);
    for (let left = PIECES; left > 0; left--) {
      await reply.write(PIECE);
      // A model's pieces come one by one, not all in one turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await reply.end();
  });
  console.log(listener.port);
}

interface Server extends AsyncDisposable {
  port: number;
  cpuUs(): Promise<number>;
}

function child(args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", import.meta.filename!, "--requests", String(requests), ...args],
    stdin: "null",
    stdout: "piped",
  }).spawn();
}

async function startServer(kind: string): Promise<Server> {
  const process = child(["--server", kind]);
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const port = Number((await reader.read()).value);
  return {
    port,
    cpuUs: async () => Number(await (await fetch(`http://127.0.0.1:${port}/cpu`)).text()),
    async [Symbol.asyncDispose]() {
      process.kill();
      await process.status;
      await reader.cancel();
    },
  };
}

async function measureClient(kind: string, port: number, more: string[] = []) {
  const { stdout } = await child(["--client", kind, "--port", String(port), ...more]).output();
  return JSON.parse(new TextDecoder().decode(stdout)) as { us: number; perSecond: number };
}

function print(
  title: string,
  unit: string,
  results: Map<string, { us: number; perSecond: number }[]>,
): void {
  console.log(`\n| ${title} | CPU µs a ${unit}, median (lowest to highest) | ${unit}s/s, median |`);
  console.log("|---|---|---|");
  for (const [kind, runs] of results) {
    const us = runs.map((run) => run.us).sort((a, b) => a - b);
    const perSecond = runs.map((run) => run.perSecond).sort((a, b) => a - b);
    const middle = Math.floor(runs.length / 2);
    console.log(
      `| ${kind} | ${us[middle].toFixed(1)} (${us[0].toFixed(1)} to ${us.at(-1)!.toFixed(1)}) | ${
        perSecond[middle].toFixed(0)
      } |`,
    );
  }
}

/** The same figures for each piece of streamed answers. */
async function measureStreams(server: Server) {
  const count = Math.ceil(requests / 20);
  const more = ["--requests", String(count), "--path", "/v1/stream"];
  const before = await server.cpuUs();
  const { perSecond } = await measureClient("http1", server.port, more);
  const pieces = (count + Math.min(WARM_UP, count)) * PIECES;
  return { us: (await server.cpuUs() - before) / pieces, perSecond: perSecond * PIECES };
}

async function compare(): Promise<void> {
  const clients = new Map<string, { us: number; perSecond: number }[]>();
  const listeners = new Map<string, { us: number; perSecond: number }[]>();
  const streams = new Map<string, { us: number; perSecond: number }[]>();
  for (let round = 0; round < ROUNDS; round++) {
    {
      await using server = await startServer("http1");
      for (const kind of ["http1", "fetch", "node:http"]) {
        clients.set(kind, [...clients.get(kind) ?? [], await measureClient(kind, server.port)]);
      }
    }
    const kinds = ["http1", "deno_serve", "Deno.serve, no signal", "Deno.serve with signal"];
    for (const kind of kinds) {
      await using server = await startServer(kind);
      await measureClient("http1", server.port);
      const before = await server.cpuUs();
      const { perSecond } = await measureClient("http1", server.port);
      const us = (await server.cpuUs() - before) / (requests + WARM_UP);
      listeners.set(kind, [...listeners.get(kind) ?? [], { us, perSecond }]);
      if (!kind.startsWith("Deno")) {
        const run = await measureStreams(server);
        streams.set(kind, [...streams.get(kind) ?? [], run]);
      }
    }
  }
  print("client", "request", clients);
  print("listener", "request", listeners);
  print("listener, streams", "piece", streams);
}

if (values.client !== undefined) await runClient(values.client, Number(values.port));
else if (values.server !== undefined) runServer(values.server);
else await compare();

// The test stand of the end-to-end tests: a gateway process with its own folder, upstreams that do as
// a test says, and what both leave behind. What is expected of them is left to the tests.

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { variant } from "../support/processes.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));

/** Config text, or what JSON.stringify makes it from; `data_dir` is added. */
export type GatewayConfig = Record<string, unknown>;

/** A running `serve` command; disposing it kills the process and removes its folder. */
export interface Gateway extends AsyncDisposable {
  /** Base URL without a path. */
  readonly url: string;
  readonly pid: number;
  readonly folder: string;
  readonly configFile: string;
  readonly dataDir: string;
  /** Everything written to standard error and output so far. */
  log(): string;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  health(): Promise<Health>;
}

export interface Health {
  status: number;
  /** The whole JSON text. */
  text: string;
  /** Requests in flight, one number an instance. */
  inFlight: number[];
}

export interface GatewayOptions {
  /** Where the config file lies below the folder; the file watcher sees this folder. */
  configFile?: string;
}

/** Starts the gateway on a free port and waits for its ready line. */
export async function startGateway(
  config: GatewayConfig,
  options: GatewayOptions = {},
): Promise<Gateway> {
  const folder = await Deno.makeTempDir({ prefix: "gateway-e2e-" });
  const dataDir = join(folder, "data");
  const configFile = join(folder, options.configFile ?? "config.jsonc");
  await Deno.mkdir(join(configFile, ".."), { recursive: true });
  await Deno.writeTextFile(configFile, configText(config, dataDir));
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--config",
      join(repository, "deno.json"),
      join(repository, "main.ts"),
      "serve",
      "--config",
      configFile,
      "--host",
      "127.0.0.1",
      "--port",
      "0",
      ...variant().args,
    ],
    cwd: folder,
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let log = "";
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) log += text;
  };
  const collected = Promise.all([collect(child.stdout), collect(child.stderr)]);
  let ended = false;
  const status = child.status.then((status) => {
    ended = true;
    return status;
  });
  const stop = async () => {
    if (!ended) child.kill("SIGKILL");
    await status;
    await collected;
    await Deno.remove(folder, { recursive: true });
  };
  let url = "";
  try {
    await waitFor(
      () => {
        if (ended) throw new Error(`the gateway ended at its start:\n${log}`);
        const found = /https?:\/\/127\.0\.0\.1:(\d+)/.exec(readyLine(log));
        if (found) url = `http://127.0.0.1:${found[1]}`;
        return found !== null;
      },
      () => `the gateway's ready line, its log:\n${log}`,
      120,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    pid: child.pid,
    folder,
    configFile,
    dataDir,
    log: () => log,
    post: (path, body, init = {}) =>
      fetch(url + path, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...init,
        headers: { "content-type": "application/json", ...init.headers },
      }),
    health: async () => {
      const response = await fetch(`${url}/health`);
      const text = await response.text();
      return { status: response.status, text, inFlight: numbersNamed(/^in_?flight/i, text) };
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** The text of a config file; a test that rewrites the file keeps the same data folder. */
export function configText(config: GatewayConfig, dataDir: string): string {
  return JSON.stringify({ data_dir: dataDir, ...variant().config, ...config }, null, 2);
}

function readyLine(log: string): string {
  return log.split("\n").slice(0, -1).find((line) => /127\.0\.0\.1:\d+/.test(line)) ?? "";
}

function numbersNamed(name: RegExp, json: string): number[] {
  const found: number[] = [];
  JSON.parse(json, (key, value) => {
    if (name.test(key) && typeof value === "number") found.push(value);
    return value;
  });
  return found;
}

/** Waits until `condition` holds; fails after `timeoutS` with what was waited for. */
export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  timeoutS = 60,
): Promise<void> {
  const deadline = Date.now() + timeoutS * 1000;
  while (!await condition()) {
    if (Date.now() > deadline) {
      throw new Error(`waited ${timeoutS} s for ${typeof what === "string" ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A request that reached a scripted upstream. */
export interface Seen {
  method: string;
  path: string;
  headers: Headers;
  text: string;
  /** The caller's port: the same for requests on one connection. */
  peer: number;
  /** True once the caller closed the connection before the answer was out. */
  aborted: boolean;
}

/** A server inside the test that answers as `answer` says. */
export interface Upstream extends AsyncDisposable {
  /** Base URL, ending in /v1. */
  readonly url: string;
  readonly port: number;
  readonly seen: Seen[];
}

const OWN_QUESTIONS = new Set(["/v1/models", "/metrics", "/is_sleeping", "/is_paused"]);

/** Starts an upstream; `/health` answers 200 by itself, and the gateway's own questions are not noted. */
export function startUpstream(
  answer: (seen: Seen, request: Request) => Response | Promise<Response>,
): Upstream {
  const seen: Seen[] = [];
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    // A test that cuts a connection on purpose needs no stack trace of it.
    onError: () => new Response(null, { status: 500 }),
  }, async (request, info) => {
    const path = new URL(request.url).pathname;
    if (path === "/health") return new Response(null);
    // What the gateway asks on its own account is no request of a client's.
    if (request.method === "GET" && OWN_QUESTIONS.has(path)) {
      return new Response(null, { status: 404 });
    }
    const one: Seen = {
      method: request.method,
      path,
      headers: request.headers,
      text: await request.text(),
      peer: info.remoteAddr.port,
      aborted: false,
    };
    request.signal.addEventListener("abort", () => one.aborted = true);
    seen.push(one);
    return await answer(one, request);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/v1`,
    port: server.addr.port,
    seen,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** An SSE answer of `events` (data of each), with no end of its own: give "[DONE]" where it is due. */
export function sse(events: readonly (string | object)[]): Response {
  const text = events.map((event) =>
    `data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`
  ).join("");
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}

/** An SSE answer whose connection breaks off after `events`. */
export function brokenSse(events: readonly object[]): Response {
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const event of events) {
        controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      controller.error(new Error("cut on purpose"));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** A chat chunk of one choice. */
export function chunk(delta: object, finishReason: string | null = null): object {
  return {
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  };
}

/** A whole chat completion. */
export function completion(content: string, more: object = {}): Response {
  return Response.json({
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "m",
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    ...more,
  });
}

/** One line of a record file, as far as the tests read it. */
export interface RecordLine {
  id: string;
  conversations: { from: string; value: string }[];
  /** JSON; "" where none were offered. */
  tools: string;
  model: string;
  meta: Record<string, unknown>;
}

/** Every record written so far; fails on a line that is not whole. */
export async function records(
  gateway: Pick<Gateway, "dataDir" | "log">,
  folder: "requests_responses" | "incomplete" | "flagged" = "requests_responses",
): Promise<RecordLine[]> {
  const path = join(gateway.dataDir, folder);
  const lines: RecordLine[] = [];
  for (const entry of await listing(path)) {
    assert.match(entry, /^\d{8}_\d{2}\.jsonl$/);
    const text = await Deno.readTextFile(join(path, entry));
    // A line that is just being written has no newline yet and is left for the next look.
    for (const line of text.split("\n").slice(0, -1)) {
      const record = JSON.parse(line);
      lines.push({ ...record, meta: JSON.parse(record.meta) });
    }
  }
  return lines;
}

/** Two workers tell of their requests in any order. */
const startOf = ({ meta }: RecordLine) => String(meta.started_at);

/** Waits for at least `count` records and returns them, as their requests came. */
export async function recordsOf(
  gateway: Pick<Gateway, "dataDir" | "log">,
  count: number,
  folder: "requests_responses" | "incomplete" | "flagged" = "requests_responses",
): Promise<RecordLine[]> {
  let found: RecordLine[] = [];
  await waitFor(async () => {
    found = await records(gateway, folder);
    return found.length >= count;
  }, () => `${count} records in ${folder}, there are ${found.length}; log:\n${gateway.log()}`);
  return found.sort((a, b) => startOf(a).localeCompare(startOf(b)));
}

async function listing(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path), (entry) => entry.name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The data of each event of an SSE body. */
export function eventsOf(text: string): string[] {
  return text.split(/\r?\n\r?\n/).map((event) =>
    event.split(/\r?\n/).filter((line) => line.startsWith("data:"))
      .map((line) => line.slice(5).trimStart()).join("\n")
  ).filter((data) => data !== "");
}

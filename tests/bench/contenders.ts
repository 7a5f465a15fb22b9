// What is compared: the instance itself, nginx, HAProxy and the gateway, each started on a free port in
// front of the same instance, configured as one would for streams.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { V8_FLAGS } from "../../tools/runtime_flags.ts";
import { freePort } from "../support/ports.ts";

export interface Contender {
  name: string;
  port: number;
  /** The process whose tree is measured; null for the instance itself. */
  pid: number | null;
  /** Milliseconds from its start to its first answer. */
  startMs: number;
  /**
   * Chunks that all its streams of one turn have together, for one that is too slow to end longer streams in
   * the time of a run; no limit where it is missing.
   */
  chunksATurn?: number;
  stop(): Promise<void>;
}

const ROOT = join(import.meta.dirname!, "../..");

interface StartOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** What a client brings as its key. */
  bearer?: string;
  /** How long until its first answer, in seconds. */
  patienceS?: number;
}

/** Starts a program and waits until it answers. null when it is not installed. */
export async function start(
  name: string,
  command: string,
  args: string[],
  port: number,
  folder: string,
  { cwd = ROOT, env = {}, bearer = "none", patienceS = 30 }: StartOptions = {},
): Promise<Contender | null> {
  const begun = performance.now();
  const log = await Deno.open(join(folder, `${name}.log`), { create: true, write: true });
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command, {
      args,
      cwd,
      env,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    log.close();
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  const logged = child.stderr.pipeTo(log.writable);
  let ended = false;
  child.status.then(() => ended = true);
  while (!await answers(port, bearer)) {
    if (ended) throw new Error(`${name} ended at once; see ${folder}/${name}.log`);
    if (performance.now() - begun > patienceS * 1000) {
      child.kill("SIGKILL");
      await child.status;
      throw new Error(`${name} does not answer; see ${folder}/${name}.log`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return {
    name,
    port,
    pid: child.pid,
    startMs: performance.now() - begun,
    async stop() {
      child.kill("SIGTERM");
      const patience = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await child.status;
      clearTimeout(patience);
      await logged;
    },
  };
}

async function answers(port: number, bearer: string): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions?json`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${bearer}` },
      body: '{"model":"bench","messages":[]}',
    });
    await response.body?.cancel();
    return response.ok;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

export async function startNginx(folder: string, upstream: number): Promise<Contender | null> {
  const port = freePort();
  const path = join(folder, "nginx.conf");
  await Deno.writeTextFile(
    path,
    `worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.error;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  access_log off; client_body_temp_path ${folder}; proxy_temp_path ${folder};
  client_max_body_size 64m; client_body_buffer_size 2m; keepalive_requests 1000000000;
  upstream instance { server 127.0.0.1:${upstream}; keepalive 1024; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://instance; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 300s;
    }
  }
}
`,
  );
  return await start("nginx", "nginx", ["-c", path], port, folder);
}

export async function startHaproxy(folder: string, upstream: number): Promise<Contender | null> {
  const port = freePort();
  const path = join(folder, "haproxy.cfg");
  await Deno.writeTextFile(
    path,
    `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 2s
  timeout client 300s
  timeout server 300s
  option http-no-delay
  http-reuse always
frontend front
  bind 127.0.0.1:${port}
  default_backend instances
backend instances
  server instance 127.0.0.1:${upstream} maxconn 8192
`,
  );
  return await start("haproxy", "haproxy", ["-f", path, "-db"], port, folder);
}

export interface GatewayOptions {
  /** What a client brings as its key. */
  bearer?: string;
  /** A compiled gateway; main.ts where there is none. */
  executable?: string;
  /** Options of its configuration. */
  config?: Record<string, unknown>;
  name?: string;
  /** A checkout to run it from; this one where there is none. */
  root?: string;
}

/** One worker, records on, the log of each request to a file. */
export async function startGateway(
  folder: string,
  upstream: number,
  options: GatewayOptions = {},
): Promise<Contender> {
  const port = freePort();
  const { name = "gateway" } = options;
  const path = join(folder, `${name}.jsonc`);
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      instances: [{ url: `http://127.0.0.1:${upstream}/v1`, model_name: "bench" }],
      data_dir: join(folder, `${name}-data`),
      health_check: false,
      workers: 1,
      ...options.config,
    }),
  );
  const { root, bearer } = options;
  const serve = ["serve", "--config", path, "--host", "127.0.0.1", "--port", String(port)];
  const [command, args] = options.executable === undefined
    ? [Deno.execPath(), ["run", "-A", await flagsOf(root), "main.ts", ...serve]]
    : [options.executable, serve];
  const contender = await start(name, command, args, port, folder, { cwd: root, bearer });
  if (contender === null) throw new Error(`cannot start ${command}`);
  return contender;
}

/** What V8 is told by the gateway of a checkout: a part of what it costs. */
async function flagsOf(root: string | undefined): Promise<string> {
  if (root === undefined) return V8_FLAGS;
  return (await import(pathToFileURL(join(root, "tools/runtime_flags.ts")).href)).V8_FLAGS;
}

/**
 * The instance that all others stand before. `row` is what it answers where a contender does not pass the
 * client's query on.
 */
export async function startUpstream(
  program: string,
  row?: { chunks: number; paceMs: number },
): Promise<Contender> {
  const args = ["0", ...(row === undefined ? [] : [row.chunks, row.paceMs].map(String))];
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const port = Number(new TextDecoder().decode(value));
  reader.releaseLock();
  return {
    name: "direct",
    port,
    pid: null,
    startMs: 0,
    async stop() {
      child.kill("SIGKILL");
      await child.stdout.cancel();
      await child.status;
    },
  };
}

// Child processes for tests: any program, simulated instances and the gateway, each with its output
// collected, a ready line waited for, and gone with its temporary files when the test ends.

import { dirname, join } from "node:path";
import { waitFor } from "./wait.ts";

/** The root of the repository. */
export const ROOT = join(import.meta.dirname!, "..", "..");
const MAIN = join(ROOT, "main.ts");

/** A started program. Disposing it kills it. */
export interface ChildProcess extends AsyncDisposable {
  readonly pid: number;
  /** Everything written to standard output and standard error so far, as it came. */
  output(): string;
  stdout(): string;
  stderr(): string;
  /** True once it has ended. */
  ended(): boolean;
  readonly status: Promise<Deno.CommandStatus>;
  /** Waits for a match in the whole output; rejects when the process ends without one. */
  waitForOutput(pattern: RegExp, deadlineMs?: number): Promise<RegExpExecArray>;
  /** Sends a signal (SIGSTOP and SIGCONT too); nothing happens when it has ended already. */
  signal(signal: Deno.Signal): void;
  /** SIGTERM, after `graceMs` SIGKILL; resolves when it has ended. */
  stop(graceMs?: number): Promise<Deno.CommandStatus>;
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<Deno.CommandStatus>;
}

export interface SpawnOptions {
  args?: string[];
  cwd?: string;
  env?: Record<string, string>;
  clearEnv?: boolean;
}

/** Starts a program with its output piped into memory. */
export function startProcess(command: string, options: SpawnOptions = {}): ChildProcess {
  const child = new Deno.Command(command, {
    args: options.args,
    cwd: options.cwd ?? ROOT,
    clearEnv: options.clearEnv,
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const texts = { all: "", stdout: "", stderr: "" };
  const collect = async (name: "stdout" | "stderr") => {
    for await (const text of child[name].pipeThrough(new TextDecoderStream())) {
      texts[name] += text;
      texts.all += text;
    }
  };
  const collected = Promise.all([collect("stdout"), collect("stderr")]);
  let ended = false;
  const status = child.status.then(async (status) => {
    await collected;
    ended = true;
    return status;
  });
  const signal = (name: Deno.Signal) => {
    if (ended) return;
    try {
      child.kill(name);
    } catch (error) {
      // It may have ended between the look and the signal: then there is nothing to do.
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  };
  const kill = () => {
    signal("SIGKILL");
    return status;
  };
  return {
    pid: child.pid,
    output: () => texts.all,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    ended: () => ended,
    status,
    async waitForOutput(pattern, deadlineMs = 120_000) {
      let found: RegExpExecArray | null = null;
      await waitFor(
        () => {
          // Only whole lines: half a port number would match too.
          found = pattern.exec(texts.all.slice(0, texts.all.lastIndexOf("\n") + 1));
          if (!found && ended) {
            throw new Error(`${command} ended without ${pattern}; its output:\n${texts.all}`);
          }
          return found !== null;
        },
        () => `${pattern} from ${command}; its output:\n${texts.all}`,
        deadlineMs,
      );
      return found!;
    },
    signal,
    async stop(graceMs = 60_000) {
      signal("SIGTERM");
      const timer = setTimeout(() => signal("SIGKILL"), graceMs);
      try {
        return await status;
      } finally {
        clearTimeout(timer);
      }
    },
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
    },
  };
}

/** A folder that is removed at the end of the scope. */
export async function temporaryFolder(
  prefix = "test-",
): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Simulated instances in a process of their own. */
export interface Simulators extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Base URL of each instance, ending in /v1. */
  readonly urls: string[];
  readonly ports: number[];
  /** Base URL of each instance without a path. */
  readonly origins: string[];
  /** What instance `index` was asked; newest last. */
  requests(index: number): Promise<SeenRequest[]>;
  /** Sets a fault of instance `index` until `count` requests met it, or for good. */
  fail(index: number, kind: string, options?: FaultOptions): Promise<void>;
  /** Takes all faults of an instance back and forgets its requests and prefix cache. */
  reset(index: number): Promise<void>;
  stop(): Promise<void>;
}

export interface FaultOptions {
  count?: number;
  probability?: number;
  /** Only requests whose path begins so meet it. */
  path?: string;
}

/** An entry of GET /simulate/requests. */
export interface SeenRequest {
  id: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  /** The JSON body, or its text where it is no JSON. */
  body: unknown;
  /** Peer port: the same for requests on one connection. */
  peer: number;
  status: number | null;
  fault: string | null;
  /** True once the caller closed the connection before the answer was out. */
  aborted: boolean;
  finished: boolean;
  tokens_sent: number;
}

export interface SimulatorOptions {
  count?: number;
  /** Further flags of `simulate`; without `--ttft` and `--tokens-per-second` answers come at once. */
  args?: string[];
}

/** Starts `count` simulated instances (1) on free ports in one process of their own. */
export async function startSimulators(options: SimulatorOptions = {}): Promise<Simulators> {
  const count = options.count ?? 1;
  const child = startProcess(Deno.execPath(), {
    args: [
      "run",
      "-A",
      join(ROOT, "tests/support/simulate_main.ts"),
      ...["--host", "127.0.0.1", "--port", "0", "--count", String(count)],
      ...["--ttft", "0", "--tokens-per-second", "0"],
      ...options.args ?? [],
    ],
  });
  let urls: string[];
  try {
    const line = /^simulated vLLM listening on (\S+)/m;
    await child.waitForOutput(new RegExp(`(?:${line.source}[^]*){${count}}`, "m"));
    urls = [...child.output().matchAll(new RegExp(line, "gm"))].map((match) => match[1]);
  } catch (error) {
    await child.kill();
    throw error;
  }
  const origins = urls.map((url) => new URL(url).origin);
  const control = async (index: number, path: string, body?: unknown) => {
    const response = await fetch(
      origins[index] + path,
      body === undefined ? {} : {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      },
    );
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return JSON.parse(text);
  };
  return {
    process: child,
    urls,
    origins,
    ports: origins.map((origin) => Number(new URL(origin).port)),
    requests: async (index) => (await control(index, "/simulate/requests")).requests,
    fail: (index, kind, options = {}) => control(index, "/simulate/fail", { kind, ...options }),
    reset: (index) => control(index, "/simulate/reset", {}),
    stop: async () => {
      await child.stop();
    },
    [Symbol.asyncDispose]: async () => {
      await child.kill();
    },
  };
}

/** Options of a config file; `data_dir` is added. */
export type GatewayConfig = Record<string, unknown>;

export interface Health {
  status: number;
  /** The whole JSON text. */
  text: string;
  /** Requests in flight, one number an instance. */
  inFlight: number[];
}

/** A running `serve` command. Disposing it kills it and removes its folder. */
export interface GatewayProcess extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly pid: number;
  /** Base URL without a path. */
  readonly url: string;
  readonly port: number;
  readonly configPath: string;
  readonly dataDir: string;
  readonly folder: string;
  output(): string;
  /** SIGTERM and the end of the process; the folder stays until the gateway is disposed. */
  stop(graceMs?: number): Promise<Deno.CommandStatus>;
  kill(): Promise<Deno.CommandStatus>;
  /** SIGSTOP, SIGCONT, SIGHUP and the like. */
  signal(signal: Deno.Signal): void;
  /** Writes the config file anew in place, `data_dir` added. */
  writeConfig(config: GatewayConfig | string): Promise<void>;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  health(): Promise<Health>;
}

export interface GatewayProcessOptions {
  /** An object gets `data_dir`, text is written as it is. */
  config: GatewayConfig | string;
  /** Where the config file lies below the folder; the file watcher sees this folder. */
  configFile?: string;
  args?: string[];
  env?: Record<string, string>;
  /** Another module than main.ts that does the same. */
  main?: string;
  /** How many files it may have open (Linux). */
  maxFiles?: number;
}

/**
 * Flags and options that the environment variables TEST_WORKERS, TEST_TRANSPORT and TEST_LISTENER add
 * to every gateway, so that the same tests can be run with several workers, over each transport and
 * behind each listener.
 */
export function variant(): { args: string[]; config: GatewayConfig } {
  const workers = Deno.env.get("TEST_WORKERS");
  const transport = Deno.env.get("TEST_TRANSPORT");
  const listener = Deno.env.get("TEST_LISTENER");
  return {
    args: workers ? ["--workers", workers] : [],
    config: { ...transport ? { transport } : {}, ...listener ? { listener } : {} },
  };
}

/** The text of a config file; a test that rewrites the file keeps the same data folder. */
export function configText(config: GatewayConfig, dataDir: string): string {
  return JSON.stringify({ data_dir: dataDir, ...variant().config, ...config }, null, 2);
}

/**
 * Starts the gateway on a free port of 127.0.0.1 and waits for its ready line. The environment
 * variable TEST_COMMAND names a compiled executable to start instead of main.ts.
 */
export async function startGateway(options: GatewayProcessOptions): Promise<GatewayProcess> {
  const folder = await Deno.makeTempDir({ prefix: "gateway-test-" });
  const dataDir = join(folder, "data");
  const configPath = join(folder, options.configFile ?? "config.jsonc");
  const writeConfig = (config: GatewayConfig | string) =>
    Deno.writeTextFile(
      configPath,
      typeof config === "string" ? config : configText(config, dataDir),
    );
  let child: ChildProcess | undefined;
  let ready: RegExpExecArray;
  try {
    await Deno.mkdir(dirname(configPath), { recursive: true });
    await writeConfig(options.config);
    const executable = Deno.env.get("TEST_COMMAND");
    const args = [
      ...["serve", "--config", configPath, "--port", "0", "--host", "127.0.0.1"],
      ...variant().args,
      ...options.args ?? [],
    ];
    const command = executable ? [executable, ...args] : [
      Deno.execPath(),
      "run",
      "-A",
      "--config",
      join(ROOT, "deno.json"),
      options.main ?? MAIN,
      ...args,
    ];
    if (options.maxFiles !== undefined) {
      command.unshift("prlimit", `--nofile=${options.maxFiles}:${options.maxFiles}`);
    }
    child = startProcess(command[0], {
      args: command.slice(1),
      cwd: folder,
      env: options.env,
    });
    ready = await child.waitForOutput(/listening on (https?:\/\/[^\s/]+:(\d+))/);
  } catch (error) {
    await child?.kill();
    await Deno.remove(folder, { recursive: true });
    throw error;
  }
  const running = child;
  const url = ready[1];
  return {
    process: running,
    pid: running.pid,
    url,
    port: Number(ready[2]),
    configPath,
    dataDir,
    folder,
    output: running.output,
    stop: running.stop,
    kill: running.kill,
    signal: running.signal,
    writeConfig,
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
      return { status: response.status, text, inFlight: inFlightIn(text) };
    },
    async [Symbol.asyncDispose]() {
      await running.kill();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function inFlightIn(health: string): number[] {
  const found: number[] = [];
  JSON.parse(health, (key, value) => {
    if (/^in_?flight/i.test(key) && typeof value === "number") found.push(value);
    return value;
  });
  return found;
}

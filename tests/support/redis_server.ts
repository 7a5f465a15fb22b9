// Debian's redis-server for tests, on a free port, with nothing kept on disk unless a folder is given.

import { Redis } from "iovalkey";
import { type ChildProcess, startProcess } from "./processes.ts";
import { waitFor } from "./wait.ts";
import { freePort } from "./ports.ts";

const HAS_REDIS: boolean = (() => {
  try {
    return new Deno.Command("redis-server", { args: ["--version"], stdout: "null" })
      .outputSync().success;
  } catch {
    // No such program.
    return false;
  }
})();

/** A test that needs the program: left out where it is not there, except in CI, which installs it. */
export function testWithRedis(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, ignore: !HAS_REDIS && Deno.env.get("CI") === undefined });
}

export class RedisServer implements AsyncDisposable {
  private constructor(
    readonly port: number,
    private process: ChildProcess,
    private client: Redis,
    private readonly folder: string,
  ) {}

  static async start(): Promise<RedisServer> {
    const port = freePort();
    const folder = await Deno.makeTempDir({ prefix: "redis-test-" });
    const process = launch(port, folder, []);
    const server = new RedisServer(port, process, connect(port), folder);
    await server.answers();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** One command, in the words of the command line. */
  async ask(...words: (string | number)[]): Promise<unknown> {
    const [command, ...args] = words;
    return await this.client.call(String(command), ...args);
  }

  /** What it says to one command, whatever its state. */
  async says(line: string): Promise<string> {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    await conn.write(new TextEncoder().encode(`${line}\r\n`));
    const buffer = new Uint8Array(1000);
    return new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
  }

  /** SIGSTOP and SIGCONT. */
  freeze(): void {
    this.process.signal("SIGSTOP");
  }

  thaw(): void {
    this.process.signal("SIGCONT");
  }

  async stop(): Promise<void> {
    await this.process.kill();
  }

  /** On the same port; `args` beside the usual ones. */
  async startAgain(args: string[] = [], waits = true): Promise<void> {
    this.process = launch(this.port, this.folder, args);
    this.client.disconnect();
    this.client = connect(this.port);
    if (waits) await this.answers();
  }

  async answers(): Promise<void> {
    await waitFor(
      () => this.client.ping().then((pong) => pong === "PONG", () => false),
      () => `redis-server on port ${this.port}: ${this.process.output()}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.disconnect();
    this.process.signal("SIGCONT");
    await this.process.kill();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function launch(port: number, folder: string, args: string[]): ChildProcess {
  return startProcess("redis-server", {
    args: [
      ...["--port", String(port), "--bind", "127.0.0.1", "--dir", folder],
      ...["--save", "", "--appendonly", "no", "--daemonize", "no"],
      ...args,
    ],
  });
}

function connect(port: number): Redis {
  const client = new Redis({ host: "127.0.0.1", port, retryStrategy: () => 50 });
  // A server that is not there yet is waited for.
  client.on("error", () => {});
  return client;
}

// Debian's dnsmasq for tests: a name server on a free port of this host, whose names a test sets.

import { join } from "node:path";
import { type ChildProcess, startProcess } from "./processes.ts";
import { waitFor } from "./wait.ts";
import { freePort } from "./ports.ts";

const COMMAND = ["dnsmasq", "/usr/sbin/dnsmasq"].find(isThere) ?? null;

function isThere(command: string): boolean {
  try {
    return new Deno.Command(command, { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    // No such program.
    return false;
  }
}

/** Tests that need it are left out where it is not, but never in CI. */
export const LACKS_DNSMASQ: boolean = COMMAND === null && Deno.env.get("CI") === undefined;

export class NameServer implements AsyncDisposable {
  private constructor(
    readonly port: number,
    private process: ChildProcess,
    private readonly folder: string,
  ) {}

  /** Knows nothing but names below `test`; `args` beside the usual ones. */
  static async start(args: string[] = []): Promise<NameServer> {
    const port = freePort();
    const folder = await Deno.makeTempDir({ prefix: "dnsmasq-test-" });
    await Deno.writeTextFile(join(folder, "hosts"), "");
    const server = new NameServer(port, launch(port, folder, args), folder);
    await server.#answers();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** From now on the names have these addresses, in this order. */
  async set(names: Record<string, string[]>): Promise<void> {
    const before = this.process.output().split("read ").length;
    await this.write(names);
    this.process.signal("SIGHUP");
    await waitFor(
      () => this.process.output().split("read ").length > before,
      () => `dnsmasq to read its names; ${this.process.output()}`,
    );
  }

  /** The names that it reads at its next start. */
  async write(names: Record<string, string[]>): Promise<void> {
    const lines = Object.entries(names).flatMap(([name, addresses]) =>
      addresses.map((address) => `${address} ${name}`)
    );
    await Deno.writeTextFile(join(this.folder, "hosts"), `${lines.join("\n")}\n`);
  }

  async stop(): Promise<void> {
    await this.process.kill();
  }

  /** On the same port. */
  async startAgain(args: string[] = []): Promise<void> {
    this.process = launch(this.port, this.folder, args);
    await this.#answers();
  }

  async #answers(): Promise<void> {
    const nameServer = { ipAddr: "127.0.0.1", port: this.port };
    await waitFor(
      () =>
        Deno.resolveDns("there.test", "A", { nameServer, signal: AbortSignal.timeout(500) })
          .then(() => true, () => false),
      () => `dnsmasq on port ${this.port}: ${this.process.output()}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.kill();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function launch(port: number, folder: string, args: string[]): ChildProcess {
  return startProcess(COMMAND ?? "dnsmasq", {
    args: [
      ...["--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null"],
      ...["--listen-address=127.0.0.1", "--bind-interfaces", `--port=${port}`, "--local=/test/"],
      ...["--host-record=there.test,127.0.0.1", `--addn-hosts=${join(folder, "hosts")}`],
      ...["--local-ttl=0", "--pid-file=", "--user="],
      ...args,
    ],
  });
}

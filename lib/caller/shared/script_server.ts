// A Redis or Valkey server that runs scripts: connected again whenever it can be, each script known to it by its
// hash. What an answer is waited for, and what a fault means, is left to store.ts.

import { createHash } from "node:crypto";
import type { Reply } from "./reply_reader.ts";
import { ScriptLine } from "./script_line.ts";

const DEFAULT_PORT = 6379;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;

export interface ServerEvents {
  /** A connection stands. */
  onReady(): void;
  /** There is none, by these words. */
  onError(why: string): void;
}

export class ScriptServer {
  readonly #url: URL;
  readonly #hashes = new Map<string, string>();
  #line: ScriptLine | null = null;
  #isReady = false;
  #closed = false;
  #pause: { timer: ReturnType<typeof setTimeout>; end(): void } | null = null;

  constructor(
    url: string,
    private readonly scripts: Readonly<Record<string, string>>,
    private readonly connectMs: number,
    private readonly events: ServerEvents,
  ) {
    this.#url = new URL(url);
    for (const [name, lua] of Object.entries(scripts)) {
      this.#hashes.set(name, createHash("sha1").update(lua).digest("hex"));
    }
    void this.#stay();
  }

  /** Rejects at once where there is no connection, and where it ends before the answer. */
  async run(
    script: string,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<Reply> {
    const line = this.#line;
    if (line === null || !this.#isReady) throw new Error("there is no connection to the server");
    const rest = [keys.length, ...keys, ...args];
    try {
      return await line.ask(["EVALSHA", this.#hashes.get(script)!, ...rest]);
    } catch (error) {
      const { message } = error as Error;
      // Another one has become the master: it is found by its name.
      if (message.startsWith("READONLY")) line.close(message);
      if (!message.startsWith("NOSCRIPT")) throw error;
      return await line.ask(["EVAL", this.scripts[script], ...rest]);
    }
  }

  close(): void {
    this.#closed = true;
    this.#line?.close();
    if (this.#pause !== null) {
      clearTimeout(this.#pause.timer);
      this.#pause.end();
    }
  }

  async #stay(): Promise<void> {
    for (let tries = 0; !this.#closed; tries++) {
      try {
        const conn = await this.#dial();
        const line = this.#line = new ScriptLine(conn);
        if (this.#closed) line.close();
        await this.#enter(line);
        tries = 0;
        this.#isReady = true;
        this.events.onReady();
        const { message } = await line.ended;
        if (!this.#closed) this.events.onError(message);
      } catch (error) {
        this.#line?.close();
        if (!this.#closed) this.events.onError((error as Error).message);
      }
      this.#isReady = false;
      this.#line = null;
      if (!this.#closed) await this.#rest(Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS));
    }
  }

  #rest(ms: number): Promise<void> {
    return new Promise((end) => this.#pause = { timer: setTimeout(end, ms), end });
  }

  /** A connection, or an error after `connectMs` at the latest. */
  async #dial(): Promise<Deno.Conn> {
    const { protocol, port } = this.#url;
    const hostname = this.#url.hostname.replace(/^\[|\]$/g, "") || "localhost";
    const to = { hostname, port: port === "" ? DEFAULT_PORT : Number(port) };
    const isSecret = protocol === "rediss:" || protocol === "valkeys:";
    const dialled = isSecret ? Deno.connectTls(to) : this.#plain(to);
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new Error(`no connection within ${this.connectMs / 1000} s`));
      // One that comes after all is not needed any more; one that fails has been told.
      dialled.then((conn) => conn.close(), () => {});
    }, this.connectMs);
    try {
      return await Promise.race([dialled, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #plain(to: { hostname: string; port: number }): Promise<Deno.Conn> {
    const conn = await Deno.connect(to);
    conn.setNoDelay(true);
    conn.setKeepAlive(true);
    return conn;
  }

  /** What the address says besides: who asks, and which of the server's databases. */
  async #enter(line: ScriptLine): Promise<void> {
    const [user, password] = [this.#url.username, this.#url.password].map(decodeURIComponent);
    if (password !== "") await line.ask(["AUTH", ...(user === "" ? [] : [user]), password]);
    const database = this.#url.pathname.slice(1);
    if (database !== "") await line.ask(["SELECT", database]);
  }
}

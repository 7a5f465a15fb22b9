// The connection to the server that several gateways share: one question at a time limit, no line of those
// that wait for it, and out after a few faults until it answers again. What is asked is left to who asks.

import { nextTick } from "node:process";
import type { Redis } from "iovalkey";
import type { SharedStateConfig } from "../../config/access.ts";
import { CONNECT_MS, openRedis } from "../../redis/open.ts";
import { Patience } from "./patience.ts";
import {
  BOOK,
  FORGET,
  LOOK,
  PRESENT,
  RECALL,
  REMEMBER,
  RENEW,
  RESERVE,
  SETTLE,
} from "./scripts.ts";

/** So many faults in a row, of all scripts or of one, and nobody waits for it any more. */
const MAX_FAULTS = 3;
/** How often it is asked then whether it is back. */
const PROBE_MS = 500;

const SCRIPTS = {
  reserve: RESERVE,
  settle: SETTLE,
  renew: RENEW,
  look: LOOK,
  forget: FORGET,
  present: PRESENT,
  book: BOOK,
  remember: REMEMBER,
  recall: RECALL,
};
export type Script = keyof typeof SCRIPTS;

export type Reply = unknown;

export interface StoreEvents {
  /** It is out, with the words of the last fault, or back. */
  onChange(isUp: boolean, why: string): void;
  /** How long a call took, in milliseconds, and whether it failed. */
  onCall?(ms: number, failed: boolean): void;
}

/** Why a question has no answer. */
class StoreError extends Error {
  override readonly name = "StoreError";
}

export class SharedStore {
  readonly #patience: Patience;
  #client: Promise<Redis | null>;
  #open: Redis | null = null;
  #isUp = false;
  #faults = 0;
  /** Of each script since its own last success: a server without memory does one and refuses another. */
  readonly #faultsOf = new Map<Script, number>();
  /** performance.now() of the last one that counted. */
  #faultAt = -Infinity;
  #probe: ReturnType<typeof setTimeout> | null = null;
  #closed = false;
  /** Told once that it is not there, before it ever was. */
  #told = false;
  #looking = false;
  readonly #begunAt = performance.now();

  constructor(private readonly config: SharedStateConfig, private readonly events: StoreEvents) {
    const { timeoutS } = config;
    this.#patience = new Patience(
      timeoutS * 1000,
      () => new StoreError(`no answer within ${timeoutS} s (shared_state.timeout)`),
    );
    this.#client = this.#connect();
  }

  /** Whether it is worth asking: else the answer is known. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** The name of something in the server. */
  name(...parts: string[]): string {
    return `{${this.config.prefix}}:${parts.join(":")}`;
  }

  /** Rejects with StoreError after `timeout` at the latest; what was sent may have been done all the same. */
  async run(script: Script, keys: readonly string[], args: readonly (string | number)[]) {
    if (!this.#isUp || this.#open === null) throw new StoreError("it is out");
    const begun = performance.now();
    try {
      const reply = await this.#ask(this.#open, script, keys, args);
      this.#faults = 0;
      this.#faultsOf.delete(script);
      this.events.onCall?.(performance.now() - begun, false);
      return reply;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.events.onCall?.(performance.now() - begun, true);
      this.#fault(script, begun, why);
      throw new StoreError(why);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#probe !== null) clearTimeout(this.#probe);
    this.#isUp = false;
    (await this.#client)?.disconnect();
    this.#patience.close();
  }

  /** The client's own limit counts from when its socket takes the command; this one counts in any case. */
  #ask(
    client: Redis,
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<Reply> {
    // What `defineCommand` has added: by hash, and by text where the server does not know it yet.
    const commands = client as unknown as Record<Script, Command>;
    this.#gatherWrites(client);
    return this.#patience.wait(commands[script](keys.length, ...keys, ...args));
  }

  /** What is asked until all that came at once was looked at is one write: a write costs more than the rest of it. */
  #gatherWrites({ status, stream }: Redis): void {
    // Before that there may be none yet.
    if (status !== "ready" || stream.writableCorked > 0) return;
    stream.cork();
    nextTick(() => stream.uncork());
  }

  async #connect(): Promise<Redis | null> {
    // A request has its own patience, and no other.
    const client = await openRedis(this.config, { autoResendUnfulfilledCommands: false });
    for (const [name, lua] of Object.entries(SCRIPTS)) client.defineCommand(name, { lua });
    // Each fault is told where somebody asks; without this one the first would end the process.
    client.on("error", (error: Error) => this.#tellOnce(error.message));
    if (this.#closed) {
      client.disconnect();
      return null;
    }
    // A connection stands again: no need to wait for the next look.
    client.on("ready", () => this.#look());
    this.#open = client;
    this.#look();
    return client;
  }

  #tellOnce(why: string): void {
    if (this.#told || this.#isUp) return;
    this.#told = true;
    this.events.onChange(false, why);
  }

  /** What was asked at one time and fails at one time is one fault. */
  #fault(script: Script, begun: number, why: string): void {
    if (begun < this.#faultAt) return;
    this.#faultAt = performance.now();
    const own = (this.#faultsOf.get(script) ?? 0) + 1;
    this.#faultsOf.set(script, own);
    if (++this.#faults >= MAX_FAULTS || own >= MAX_FAULTS) this.#leave(why);
  }

  #leave(why: string): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#told = true;
    this.events.onChange(false, why);
    this.#lookLater();
  }

  /** Never at once: one that answers the look and refuses the rest would be in and out in a tight loop. */
  #lookLater(): void {
    if (this.#probe !== null) clearTimeout(this.#probe);
    this.#probe = setTimeout(() => this.#look(), PROBE_MS);
  }

  /** Asks whether it is there, until it is: by a script, since a server may answer a ping and refuse to write. */
  async #look(): Promise<void> {
    if (this.#closed || this.#open === null || this.#isUp || this.#looking) return;
    this.#looking = true;
    if (this.#probe !== null) clearTimeout(this.#probe);
    try {
      const keys = [this.name("probe")];
      await this.#ask(this.#open, "present", keys, ["probe", 1000]);
      this.#isUp = true;
      this.#told = false;
      this.#faults = 0;
      this.#faultsOf.clear();
      this.events.onChange(true, "");
    } catch (error) {
      // The first connection takes its time.
      if (performance.now() - this.#begunAt > CONNECT_MS) {
        this.#tellOnce(error instanceof Error ? error.message : String(error));
      }
      this.#lookLater();
    } finally {
      this.#looking = false;
    }
  }
}

type Command = (
  count: number,
  ...keysAndArgs: readonly (string | number)[]
) => Promise<Reply>;

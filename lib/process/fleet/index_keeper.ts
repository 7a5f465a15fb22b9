// Keeps what routing knows of the instances' caches over a restart: written at a graceful end, read at the
// start. Whatever is wrong with the file costs one line in the log and nothing else.

import { join } from "node:path";
import type { Config } from "../../config/config.ts";
import { logger } from "../../observe/log.ts";
import { strategies } from "../../pool/balancing/strategies.ts";
import type { Fleet } from "../../pool/fleet.ts";
import { restoreIndex, savedIndex } from "../../pool/prefix/index_file.ts";
import type { Reloadable, Snapshots } from "../snapshots.ts";
import { replaceFile } from "../../files/replace.ts";

const FILE = "routing_index";

/** Ranks that are shown later begin with nothing. */
const LATE_MS = 2 * 60 * 1000;

export class IndexKeeper implements Reloadable {
  /** As it was read, for data-parallel ranks that metrics have not shown yet. */
  #read: Uint8Array | null = null;
  /** Addresses of those that have theirs back. */
  readonly #restored = new Set<number>();

  constructor(
    private readonly fleet: Fleet,
    private readonly now: () => number,
    snapshots: Snapshots,
  ) {
    snapshots.join(this);
  }

  /** Ranks that are new have back what they held. */
  apply(): void {
    if (this.#read === null) return;
    this.#take(this.#read);
  }

  /** Takes over what the process before has written. Never rejects. */
  async restore(config: Config): Promise<void> {
    if (!isKept(config)) return;
    const path = join(config.dataDir, FILE);
    let bytes: Uint8Array;
    try {
      bytes = await Deno.readFile(path);
    } catch (error) {
      // There is none before the first end.
      if (!(error instanceof Deno.errors.NotFound)) this.#say("read", path, error);
      return;
    }
    const why = this.#take(bytes);
    if (why !== null) {
      logger.warning("{path} is not used: {why}", { path, why });
      return;
    }
    this.#read = bytes;
    Deno.unrefTimer(Number(setTimeout(() => this.#read = null, LATE_MS)));
  }

  /** For those who have nothing back yet; why it was not taken, or null. */
  #take(bytes: Uint8Array): string | null {
    const { shared } = this.fleet;
    const waiting = this.#places().filter(({ address }) => !this.#restored.has(address));
    if (waiting.length === 0) return null;
    const why = this.fleet.locked(() => restoreIndex(shared.routing, waiting, bytes, this.now()));
    if (why === null) { for (const { address } of waiting) this.#restored.add(address); }
    return why;
  }

  /** Writes it for the next process. Never rejects. */
  async save(config: Config): Promise<void> {
    if (!isKept(config)) return;
    const path = join(config.dataDir, FILE);
    const { shared } = this.fleet;
    const bytes = this.fleet.locked(() => savedIndex(shared.routing, this.#places(), this.now()));
    try {
      await Deno.mkdir(config.dataDir, { recursive: true });
      await replaceFile(path, bytes);
    } catch (error) {
      this.#say("write", path, error);
    }
  }

  #places() {
    return this.fleet.instances.flatMap((one) => [one, ...one.ranks])
      .map(({ slot, addressKey }) => ({ slot, address: addressKey }));
  }

  #say(what: string, path: string, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    logger.warning("cannot {what} {path}: {why}", { what, path, why });
  }
}

function isKept({ routing, strategy }: Config): boolean {
  return routing.keepsIndex && strategies[strategy].looksAtPrompts;
}

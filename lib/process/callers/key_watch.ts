// What people ought to know of keys: that one expires soon (once of each, a week before), that a reload has
// renamed one, and what the configuration says of them that can hardly be meant.

import type { CallersConfig } from "../../config/access.ts";
import { doubtsAbout } from "../../config/doubts.ts";
import { logger } from "../../observe/log.ts";
import type { Bulletin } from "../alerts/bulletin.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";

const SOON_MS = 7 * 86_400_000;
const LOOK_MS = 3_600_000;
/** Keys that people were told of; beyond, they may be told once more. */
const MAX_TOLD = 10_000;

export class KeyWatch implements Reloadable {
  readonly #told = new Set<string>();
  /** Of the configuration in force. */
  #doubts: ReadonlySet<string> = new Set();
  #names: ReadonlyMap<string, string>;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(
    private readonly snapshots: Snapshots,
    private readonly bulletin: Bulletin,
    private readonly nowMs: () => number = Date.now,
  ) {
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    Deno.unrefTimer(Number(this.#timer));
    this.#names = namesByHash(snapshots.config.callers);
    snapshots.join(this);
  }

  apply({ config }: Snapshot): void {
    const before = this.#names;
    this.#names = namesByHash(config.callers);
    for (const [hash, name] of this.#names) {
      const old = before.get(hash);
      if (old !== undefined && old !== name) this.#tellRenamed(old, name);
    }
    this.look();
  }

  look(): void {
    const now = this.nowMs();
    const doubts = new Set(doubtsAbout(this.snapshots.config, now));
    for (const doubt of doubts) if (!this.#doubts.has(doubt)) logger.warning("{doubt}", { doubt });
    this.#doubts = doubts;
    for (const { name, expiresMs, disabled } of this.snapshots.config.callers?.keys ?? []) {
      if (expiresMs === null || disabled !== false) continue;
      const id = `${name} ${expiresMs}`;
      if (expiresMs <= now || expiresMs - now > SOON_MS || this.#told.has(id)) continue;
      if (this.#told.size >= MAX_TOLD) this.#told.clear();
      this.#told.add(id);
      const at = new Date(expiresMs).toISOString();
      logger.warning("key {name} expires at {at}", { name, at });
      this.bulletin.raise("key_expiring", `key ${name}`, `it expires at ${at}`);
    }
  }

  #tellRenamed(before: string, name: string): void {
    const message =
      `it was \`${before}\` before: its limits and budgets begin anew, since they are ` +
      "kept by name";
    logger.warning("key {name}: {message}", { name, message });
    this.bulletin.note("key_renamed", `key ${name}`, message);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function namesByHash(callers: CallersConfig | null): ReadonlyMap<string, string> {
  return new Map(
    (callers?.keys ?? []).flatMap(({ name, hashes }) => hashes.map(({ hash }) => [hash, name])),
  );
}

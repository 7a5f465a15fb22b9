// The discoveries of the configuration in force: what each finds is part of the snapshot from then on, as
// after a reload. One that asks the same over a reload goes on, and keeps what it has found.

import { dirname } from "node:path";
import type { DiscoveryConfig } from "../../config/config.ts";
import { placeId } from "../../config/normalise_discovery.ts";
import { type DiscoveryState, Followed } from "../../discover/followed.ts";
import { within } from "../../http/within.ts";
import { logger } from "../../observe/log.ts";
import type { Bulletin } from "../alerts/bulletin.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";

/** So long the start waits for the first answers. */
const FIRST_ANSWERS_MS = 3000;

export interface DiscoveryParts {
  snapshots: Snapshots;
  bulletin: Bulletin;
  /** null where the gateway was started without a file. */
  configFile: string | null;
  env(name: string): string | undefined;
}

export class Discovery implements Reloadable {
  readonly #followed = new Map<string, Followed>();
  readonly #closing = new Set<Promise<void>>();
  #isOpen = false;

  constructor(private readonly parts: DiscoveryParts) {
    parts.snapshots.join(this);
  }

  /** Asks from now on; resolves when each has been answered once, or soon after. */
  async start(): Promise<void> {
    this.#isOpen = true;
    this.apply(this.parts.snapshots.current);
    const answers = [...this.#followed.values()].map(({ firstAnswer }) => firstAnswer);
    await within(FIRST_ANSWERS_MS, Promise.all(answers), null);
  }

  apply({ config }: Snapshot): void {
    if (!this.#isOpen) return;
    const wanted = new Map(config.discovery.map((one) => [placeId(one), one]));
    for (const [id, followed] of this.#followed) {
      const next = wanted.get(id);
      if (next !== undefined && followed.asksAs(next)) followed.configure(next);
      else this.#end(id, followed);
    }
    for (const [id, one] of wanted) {
      if (!this.#followed.has(id)) this.#followed.set(id, this.#follow(id, one));
    }
  }

  /** In the order of the configuration. */
  get states(): readonly DiscoveryState[] {
    return [...this.#followed.values()].map(({ state }) => state);
  }

  /** What is found from now on counts no more. */
  stop(): void {
    this.#isOpen = false;
  }

  /** Resolves when nobody asks any more. */
  async close(): Promise<void> {
    this.stop();
    for (const [id, followed] of [...this.#followed]) this.#end(id, followed);
    await Promise.all(this.#closing);
  }

  #follow(id: string, config: DiscoveryConfig): Followed {
    const { snapshots, bulletin, configFile, env } = this.parts;
    const { name } = config;
    return new Followed(config, {
      surroundings: { folder: configFile === null ? "." : dirname(configFile), env },
      onChange: (targets) => {
        if (this.#isOpen) snapshots.found(id, targets);
      },
      onWord: (level, message) => {
        logger[level]("discovery {name}: {message}", { name, message });
        bulletin.note(level === "info" ? "discovery" : "discovery_failed", name, message);
      },
    });
  }

  #end(id: string, followed: Followed): void {
    this.#followed.delete(id);
    const closing = followed.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

// The configuration in force, and the one list of those who hear of the next one. What the file says is
// changed here by actions alone: a drained instance has weight 0 until the next reload.

import type { Config } from "../config/config.ts";
import type { ActionResult } from "../dashboard/source.ts";
import type { SlotTable } from "../pool/fleet.ts";

/** What an isolate needs to serve by a configuration. Immutable; can be cloned. */
export interface Snapshot {
  readonly config: Config;
  /** The place of each instance in shared memory, by its id. */
  readonly slots: Readonly<Record<string, number>>;
  /** Origins of the configuration that the environment sends through a proxy. */
  readonly proxied: readonly string[];
}

/** Something that goes on by another configuration while it runs. */
export interface Reloadable {
  /** From now on this is in force; what is under way may go on by the one before. */
  apply(snapshot: Snapshot): void;
}

export class Snapshots {
  readonly #parts: Reloadable[] = [];
  readonly #drained = new Set<string>();
  /** As the file and the flags have it. */
  #file: Config;
  #current: Snapshot;

  constructor(
    config: Config,
    private readonly slots: SlotTable,
    /** Whether the environment names a proxy for an origin. */
    private readonly isProxied: (origin: string) => boolean,
  ) {
    this.#file = config;
    this.#current = this.#snapshotOf(config);
  }

  get current(): Snapshot {
    return this.#current;
  }

  get config(): Config {
    return this.#current.config;
  }

  /** As the file and the flags have it, before what was drained. */
  get file(): Config {
    return this.#file;
  }

  /** Names of instances that an action drained. */
  get drained(): ReadonlySet<string> {
    return this.#drained;
  }

  /** Puts `part` on the list: from now on it is told of each new snapshot, after those before it. */
  join(part: Reloadable): void {
    this.#parts.push(part);
  }

  /** Takes what was read from the file; what was drained takes requests again. */
  load(config: Config): void {
    this.#file = config;
    this.#drained.clear();
    this.#tell();
  }

  /** Takes an instance out until the next reload. */
  drain(name: string): ActionResult {
    const instance = this.#file.instances.find((one) => one.name === name);
    if (instance === undefined) return noInstance(name);
    if (instance.weight === 0) {
      return { ok: false, status: 409, message: `${name} has weight 0 in the configuration` };
    }
    this.#drained.add(name);
    this.#tell();
    return { ok: true };
  }

  undrain(name: string): ActionResult {
    if (!this.#file.instances.some((one) => one.name === name)) return noInstance(name);
    if (!this.#drained.delete(name)) {
      return { ok: false, status: 409, message: `${name} was not drained here` };
    }
    this.#tell();
    return { ok: true };
  }

  #tell(): void {
    this.#current = this.#snapshotOf(withDrained(this.#file, this.#drained));
    for (const part of this.#parts) part.apply(this.#current);
  }

  #snapshotOf(config: Config): Snapshot {
    return {
      config,
      slots: this.slots.assign(config),
      proxied: config.instances.map(({ origin }) => origin).filter(this.isProxied),
    };
  }
}

function noInstance(name: string): ActionResult {
  return { ok: false, status: 404, message: `no instance is named ${name}` };
}

/** The same configuration with weight 0 for the instances named. */
function withDrained(config: Config, names: ReadonlySet<string>): Config {
  if (names.size === 0) return config;
  const instances = config.instances.map((one) =>
    names.has(one.name) ? { ...one, weight: 0 } : one
  );
  return Object.freeze({ ...config, instances });
}

// The configuration in force, and the one list of those who hear of the next one. What the file says is
// changed here by actions, a drained instance has weight 0 until it is undrained, and by discovery, whose
// instances stand beside those that the file names.

import { nearest } from "../config/nearest.ts";
import type { Config } from "../config/config.ts";
import { placeId } from "../config/normalise_discovery.ts";
import type { ActionResult } from "../dashboard/source.ts";
import { type Target, withFound } from "../discover/target.ts";
import { logger } from "../observe/log.ts";
import type { SlotTable } from "../pool/slot_table.ts";
import { byId, Roster } from "../pool/roster.ts";

/** What one instance may list: no more is believed. */
const MAX_DISCOVERED = 64;
const MAX_NAME = 256;
/** Instances that are not there are remembered, so many: one that was not ready for a while is as it was. */
const AWAY = 64;

/** What an isolate needs to serve by a configuration. Immutable; can be cloned. */
export interface Snapshot {
  readonly config: Config;
  /** The place of each instance in shared memory, by its id. */
  readonly slots: Readonly<Record<string, number>>;
  /** Origins of the configuration that the environment sends through a proxy. */
  readonly proxied: readonly string[];
  /** How often the file was read before: what somebody has read again is tried again. */
  readonly reading: number;
}

/** Something that goes on by another configuration while it runs. */
export interface Reloadable {
  /** From now on this is in force; what is under way may go on by the one before. */
  apply(snapshot: Snapshot): void;
}

export class Snapshots {
  readonly #parts: Reloadable[] = [];
  readonly #drained = new Set<string>();
  readonly #roster = new Roster();
  /** What instances that say themselves what they serve have said, by id. */
  readonly #discovered = this.#roster.remember<readonly string[]>(byId, AWAY);
  /** Data-parallel ranks that instances' metrics show, by id. */
  readonly #ranks = this.#roster.remember<number>(byId, AWAY);
  /** What discoveries have found, by what they ask. */
  readonly #found = new Map<string, readonly Target[]>();
  /** As the file and the flags have it. */
  #file: Config;
  #current: Snapshot;
  #leftOut: readonly string[] = [];
  #reading = 0;

  constructor(
    config: Config,
    private readonly slots: SlotTable,
    /** Whether the environment names a proxy for an origin. */
    private readonly isProxied: (origin: string) => boolean,
    /** A part could not take a snapshot over, and goes on by the one before. */
    private readonly onFault: (error: unknown) => void = sayFault,
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

  /** Instances that were found, and models that were listed, for which there is no room now. */
  get leftOut(): readonly string[] {
    return this.#leftOut;
  }

  /** Whether anything lacks room: what was left out, or ranks that count as one. */
  get lacksRoom(): boolean {
    const { config, slots } = this.#current;
    return this.#leftOut.length > 0 || !this.slots.holdsRanks(config, slots);
  }

  /** Takes in what lacked room, as far as what still had requests has made some. */
  takeIn(): void {
    if (!this.lacksRoom) return;
    const leftOut = this.#leftOut.length;
    const places = Object.keys(this.#current.slots).length;
    const next = this.#madeOf(this.#file);
    const isMore = this.#leftOut.length < leftOut || Object.keys(next.slots).length > places;
    if (isMore) this.#tell(next);
  }

  /** Puts `part` on the list: from now on it is told of each new snapshot, after those before it. */
  join(part: Reloadable): void {
    this.#parts.push(part);
  }

  /**
   * Takes what was read from the file; what was drained stays so, as long as it is there at all. NoRoomError
   * where it names too much beside what still has requests, and what was in force stays so.
   */
  load(config: Config): void {
    const next = { ...this.#madeOf(config), reading: this.#reading + 1 };
    this.#reading++;
    this.#file = config;
    const asked = new Set(config.discovery.map(placeId));
    for (const id of this.#found.keys()) if (!asked.has(id)) this.#found.delete(id);
    this.#forgetGone();
    this.#tell(next);
  }

  /** Drains what was drained before the start, as far as it is still there; returns those names. */
  drainAgain(names: readonly string[]): readonly string[] {
    for (const name of names) this.#drained.add(name);
    this.#forgetGone();
    this.#tell();
    return names.filter((name) => this.#drained.has(name));
  }

  /** One that a discovery finds may be away for a while and come back: only who leaves the file is new then. */
  #forgetGone(): void {
    if (this.#file.discovery.length > 0) return;
    const names = new Set(this.#file.instances.map(({ name }) => name));
    for (const name of this.#drained) if (!names.has(name)) this.#drained.delete(name);
  }

  /** The instance of this id serves these models now, beside those that the file names. */
  discovered(id: string, models: readonly string[]): void {
    const listed = models.filter((model) => model.length <= MAX_NAME).slice(0, MAX_DISCOVERED)
      .sort();
    const before = this.#discovered.get(id) ?? [];
    if (listed.join("\n") === before.join("\n")) return;
    this.#note(this.#discovered, id, listed);
  }

  /** The metrics of the instance of this id show so many data-parallel ranks, 0 for one engine. */
  ranked(id: string, ranks: number): void {
    if (ranks !== (this.#ranks.get(id) ?? 0)) this.#note(this.#ranks, id, ranks);
  }

  /** The discovery of this id (`placeId`) has found these; they count until it finds others. */
  found(id: string, targets: readonly Target[]): void {
    this.#note(this.#found, id, targets);
  }

  #note<T>(notes: Map<string, T>, id: string, value: T): void {
    notes.set(id, value);
    this.#tell();
  }

  /** Takes an instance out until it is undrained, or leaves the file. */
  drain(name: string): ActionResult {
    const instance = this.#fleet.instances.find((one) => one.name === name);
    if (instance === undefined) return noInstance(name, this.#fleet);
    if (instance.weight === 0) {
      return { ok: false, status: 409, message: `${name} has weight 0 in the configuration` };
    }
    this.#drained.add(name);
    this.#tell();
    return this.#done(name, "it gets no requests as it is, and none when there is");
  }

  undrain(name: string): ActionResult {
    if (!this.#fleet.instances.some((one) => one.name === name)) {
      return noInstance(name, this.#fleet);
    }
    if (!this.#drained.delete(name)) {
      return { ok: false, status: 409, message: `${name} was not drained here` };
    }
    this.#tell();
    return this.#done(name, "it gets requests when there is");
  }

  /** What was asked for is done; where the instance was left out, that means so much. */
  #done(name: string, meaning: string): ActionResult {
    if (this.config.instances.some((one) => one.name === name)) return { ok: true };
    return { ok: true, note: `there is no room for it in the gateway now: ${meaning}` };
  }

  /** With what was found, before what was drained. */
  get #fleet(): Config {
    return withFound(this.#file, this.#found);
  }

  #tell(next = this.#madeOf(this.#file)): void {
    this.#current = next;
    this.#roster.apply(next);
    for (const part of this.#parts) {
      // Whoever was told has changed it once more: all know of that already.
      if (this.#current !== next) return;
      try {
        part.apply(next);
      } catch (error) {
        // That one part fails is no reason for the others not to hear.
        this.onFault(error);
      }
    }
  }

  /** What is to be in force where the file says this. NoRoomError where that is too much. */
  #madeOf(file: Config): Snapshot {
    const drained = withDrained(withFound(file, this.#found), this.#drained);
    const ranked = withRanks(drained, this.#ranks);
    const whole = withDiscovered(ranked, this.#discovered);
    const { config, leftOut } = this.slots.fitting(file, whole);
    const made = this.#snapshotOf(config);
    this.#leftOut = leftOut;
    return made;
  }

  #snapshotOf(config: Config): Snapshot {
    return {
      config,
      slots: this.slots.assign(config),
      proxied: config.instances.map(({ origin }) => origin).filter(this.isProxied),
      reading: this.#reading,
    };
  }
}

function sayFault(error: unknown): void {
  logger.error("internal error: a part goes on by the configuration before: {error}", { error });
}

function noInstance(name: string, { instances }: Config): ActionResult {
  const meant = nearest(name, instances.map((one) => one.name));
  const hint = meant === null ? "" : `; did you mean ${meant}?`;
  return { ok: false, status: 404, message: `no instance is named ${name}${hint}` };
}

/** The same configuration with the models of instances that say themselves what they serve. */
function withDiscovered(
  config: Config,
  discovered: ReadonlyMap<string, readonly string[]>,
): Config {
  if (!config.instances.some(({ listsModels }) => listsModels)) return config;
  const instances = config.instances.map((one) =>
    one.listsModels
      ? { ...one, models: [...new Set([...one.models, ...discovered.get(one.id) ?? []])] }
      : one
  );
  return Object.freeze({ ...config, instances });
}

/** The same configuration with what is known of ranks, where these are not the instance's own affair. */
export function withRanks(config: Config, ranks: ReadonlyMap<string, number>): Config {
  const ranksOf = ({ id, dataParallel }: Config["instances"][number]) =>
    dataParallel === "off" ? 0 : ranks.get(id) ?? 0;
  if (!config.instances.some((one) => ranksOf(one) > 0)) return config;
  const instances = config.instances.map((one) => ({ ...one, ranks: ranksOf(one) }));
  return Object.freeze({ ...config, instances });
}

/** The same configuration with weight 0 for the instances named. */
function withDrained(config: Config, names: ReadonlySet<string>): Config {
  if (names.size === 0) return config;
  const instances = config.instances.map((one) =>
    names.has(one.name) ? { ...one, weight: 0 } : one
  );
  return Object.freeze({ ...config, instances });
}

// Which instances have their data-parallel ranks for places of their own: those whose metrics show them, as long
// as what goes to one of them is found there again.

import { logger } from "../../observe/log.ts";
import type { Fleet } from "../../pool/fleet.ts";
import type { Instance } from "../../pool/instance.ts";
import { ranksIn, type ServerLoad } from "../../pool/load/vllm_metrics.ts";
import { byId, Roster } from "../../pool/roster.ts";
import type { Snapshots } from "../snapshots.ts";

/** After so many looks in a row that gave nothing an instance may be away. */
const VAIN_LOOKS = 2;
/** So long an instance is one place whose ranks made no difference; then they are tried again. */
const ONE_PLACE_MS = 60 * 60 * 1000;

export class RankWatch {
  readonly #roster = new Roster();
  /** By id, when instances whose ranks made no difference may have them again. */
  readonly #oneUntil = this.#roster.remember<number>(byId);
  /** By id, how many ranks those had that refused one of them since the last look. */
  readonly #refused = this.#roster.remember<number>(byId);
  /** By id, how many ranks the last look has shown. */
  readonly #shown = this.#roster.remember<number>(byId);
  /** By id, looks in a row that gave nothing. */
  readonly #vain = this.#roster.remember<number>(byId);
  /** Ids of instances for whose ranks there is no room. */
  readonly #roomless = this.#roster.remember<true>(byId);

  constructor(private readonly snapshots: Snapshots, private readonly fleet: Fleet) {
    snapshots.join(this.#roster);
  }

  /** The instance that was asked has said this of its load. */
  saw(asked: Instance, load: ServerLoad): void {
    // Meanwhile its ranks may have been given up.
    const instance = this.#current(asked.config.id);
    if (instance === undefined) return;
    const { id, dataParallel } = instance.config;
    const { fleet } = this;
    this.#vain.delete(id);
    const ranks = ranksIn(load);
    const isAnew = fleet.scraped(instance, load.whole, ranks);
    const until = this.#oneUntil.get(id);
    if (isAnew || (until !== undefined && fleet.now() >= until)) this.#oneUntil.delete(id);
    // Where nothing is cached, nothing comes true, whoever computes it.
    const isTold = instance.ranks.length > 0 && load.whole.cachesPrefixes !== false;
    if (isTold && !fleet.heedsRanks(instance)) {
      this.#isOnePlace(instance, "what goes to one of its ranks is seldom found there again");
    }
    // One that came back with fewer shows so many; this one shows what it does not take.
    if (!isAnew && ranks.length > 0 && ranks.length === this.#refused.get(id)) {
      this.#isOnePlace(instance, "it refuses to be asked for one of its ranks");
    }
    this.#refused.delete(id);
    const before = this.#shown.get(id);
    this.#shown.set(id, ranks.length);
    const isOne = dataParallel === "off" || this.#oneUntil.has(id);
    const count = isOne ? 0 : ranks.length;
    // Fewer count at once, more when they were shown twice: metrics that come and go change nothing for long.
    if (count > instance.ranks.length && before !== ranks.length) return;
    // What came of it as one place tells nothing of its ranks.
    if (count > 0 && instance.config.ranks === 0) fleet.lostCache(instance);
    this.snapshots.ranked(id, count);
    this.#lookForRoom(id);
  }

  /** The instance was asked for its load in vain. */
  sawNothing(instance: Instance): void {
    const { id } = instance.config;
    const vain = (this.#vain.get(id) ?? 0) + 1;
    this.#vain.set(id, vain);
    if (vain >= VAIN_LOOKS) this.lost(id);
  }

  /** The instance of this id is away: it may come back with fewer ranks, and refuses whoever names another. */
  lost(id: string): void {
    this.#shown.delete(id);
    this.snapshots.ranked(id, 0);
  }

  /** The instance of this id was asked for one of so many ranks, and refused that. */
  refused(id: string, ranks: number): void {
    const instance = this.#current(id);
    // Of those before a change, which is known.
    if (instance?.ranks.length !== ranks) return;
    this.#refused.set(id, ranks);
    this.lost(id);
  }

  #current(id: string): Instance | undefined {
    return this.fleet.instances.find(({ config }) => config.id === id);
  }

  #isOnePlace(instance: Instance, why: string): void {
    this.#oneUntil.set(instance.config.id, this.fleet.now() + ONE_PLACE_MS);
    // As one place it is believed again.
    this.fleet.lostCache(instance);
    const message = `${why}: they count as one for an hour, or until it is started anew`;
    logger.warning("{instance}: {message}", { instance: instance.name, message });
  }

  #lookForRoom(id: string): void {
    const instance = this.#current(id);
    if (instance === undefined || instance.config.ranks === 0 || instance.ranks.length > 0) {
      this.#roomless.delete(id);
    } else if (!this.#roomless.has(id)) {
      this.#roomless.set(id, true);
      const message = `there is no room for its ${instance.config.ranks} ranks: they count as one`;
      logger.warning("{instance}: {message}", { instance: instance.name, message });
    }
  }
}

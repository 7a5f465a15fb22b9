// What instances say of their models, regularly: the length of their contexts, and the names that one with
// `model_name: "*"` serves, adapters among them.

import { within } from "../../http/within.ts";
import { guarded } from "../../observe/guarded.ts";
import { strategies } from "../../pool/balancing/strategies.ts";
import type { Instance } from "../../pool/instance.ts";
import { Rounds } from "../../pool/rounds.ts";
import type { Runtime } from "../runtime.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";

/** So long the start waits for the first lists. */
const FIRST_LISTS_MS = 2000;
/** One instance is not hurried more often, whatever clients ask for. */
const HURRY_MS = 1000;

export class ModelWatch implements Reloadable {
  readonly #rounds: Rounds;
  /** By the id of an instance, when it was hurried last, and the next time where that is still to come. */
  readonly #hurried = new Map<string, { at: number; timer: ReturnType<typeof setTimeout> }>();

  constructor(private readonly snapshots: Snapshots, private readonly runtime: Runtime) {
    this.#rounds = new Rounds(runtime.fleet, (instance) => this.#look(instance), Math.random);
    snapshots.join(this);
  }

  /** Asks from now on. Resolves when those whose models nobody named have said them, or soon after. */
  async start(): Promise<void> {
    const unnamed = this.runtime.fleet.instances.filter(({ config }) => config.listsModels);
    if (unnamed.length > 0) {
      const looks = unnamed.map((instance) => this.#lookAlone(instance));
      await within(FIRST_LISTS_MS, Promise.all(looks), null);
    }
    this.apply(this.snapshots.current);
  }

  apply({ config }: Snapshot): void {
    // Where neither names nor contexts are gone by, nobody is bothered.
    const { looksAtPrompts } = strategies[config.strategy];
    this.#rounds.configure(
      config.modelDiscovery?.intervalS ?? null,
      (instance) => looksAtPrompts || instance.config.listsModels,
    );
  }

  /**
   * Asks the instance of this id at once, or all where it is null: a model is missed that it may have lost, or
   * may have by now. Of no account where its models are named.
   */
  hurry(id: string | null): void {
    const { instances } = this.runtime.fleet;
    const listing = instances.filter(({ config }) => config.listsModels);
    const ids = new Set(listing.map(({ config }) => config.id));
    for (const [known, { timer }] of this.#hurried) {
      if (ids.has(known)) continue;
      clearTimeout(timer);
      this.#hurried.delete(known);
    }
    for (const instance of listing) {
      if (id === null || id === instance.config.id) this.#hurryOne(instance);
    }
  }

  /** What is asked for too early is asked once more when the time has come, since it may be there then. */
  #hurryOne(instance: Instance): void {
    const { id } = instance.config;
    const now = performance.now();
    const before = this.#hurried.get(id);
    if (before !== undefined && before.at > now) return;
    const inMs = before === undefined ? 0 : Math.max(0, before.at + HURRY_MS - now);
    const timer = setTimeout(() => this.#lookAlone(instance), inMs);
    Deno.unrefTimer(Number(timer));
    this.#hurried.set(id, { at: now + inMs, timer });
  }

  close(): void {
    this.#rounds.close();
    for (const { timer } of this.#hurried.values()) clearTimeout(timer);
    this.#hurried.clear();
  }

  /** Outside the rounds: what goes wrong is of no account to anybody else. */
  #lookAlone(instance: Instance): Promise<void> {
    return guarded("a question for models", () => this.#look(instance));
  }

  async #look(instance: Instance): Promise<boolean> {
    const listed = await this.runtime.listModels(instance);
    if (listed === null) return false;
    if (instance.config.listsModels) this.snapshots.discovered(instance.config.id, listed);
    return true;
  }
}

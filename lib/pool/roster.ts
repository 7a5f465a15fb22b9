// Which instances there are, for whatever is remembered of them: pods come and go with every rollout, and what
// is kept of those that went would only grow.

import type { Config, InstanceConfig } from "../config/config.ts";

/** What an instance is remembered by: its id, its origin, its models. */
export type KeysOf = (instance: InstanceConfig) => readonly string[];

export const byId: KeysOf = ({ id }) => [id];
export const byName: KeysOf = ({ name }) => [name];
export const byOrigin: KeysOf = ({ origin }) => [origin];
export const byModels: KeysOf = ({ models }) => models;

interface Memory {
  readonly notes: Map<string, unknown>;
  readonly keysOf: KeysOf;
  readonly away: number;
}

/** Belongs on the list of those who hear of a reload. */
export class Roster {
  readonly #memories: Memory[] = [];

  /**
   * A map for notes of instances. What no instance of the configuration in force is found by is forgotten, but
   * for the `away` that left last: they come back as they were.
   */
  remember<T>(keysOf: KeysOf, away = 0): Map<string, T> {
    const notes = new Map<string, T>();
    this.#memories.push({ notes, keysOf, away });
    return notes;
  }

  apply({ config }: { readonly config: Pick<Config, "instances"> }): void {
    for (const { notes, keysOf, away } of this.#memories) {
      if (notes.size === 0) continue;
      const there = new Set(config.instances.flatMap(keysOf));
      const gone = [...notes].filter(([key]) => !there.has(key));
      for (const [key] of gone.slice(0, Math.max(0, gone.length - away))) notes.delete(key);
      if (away === 0) continue;
      // Those that are there stand behind those that left: who leaves next has left last.
      for (const [key, note] of [...notes].filter(([key]) => there.has(key))) {
        notes.delete(key);
        notes.set(key, note);
      }
    }
  }
}

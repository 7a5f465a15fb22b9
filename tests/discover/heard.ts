// A discovery as tests follow one: each set that counts, in the order in which they came.

import type { DiscoveryConfig } from "../../lib/config/config.ts";
import { type DiscoveryState, Followed } from "../../lib/discover/followed.ts";
import type { Target } from "../../lib/discover/target.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { waitFor } from "../support/wait.ts";

/** The entry as a configuration file would have it, checked. */
export function entry(options: Record<string, unknown>): DiscoveryConfig {
  const text = JSON.stringify({ discovery: [{ model_name: "m", ...options }] });
  const loaded = loadConfig("config.jsonc", text, () => undefined);
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join("; "));
  return loaded.config.discovery[0];
}

export class Heard implements AsyncDisposable {
  /** `host:port` of each set, sorted. */
  readonly sets: string[][] = [];
  readonly targets: (readonly Target[])[] = [];
  readonly words: string[] = [];
  readonly #followed: Followed;

  constructor(
    options: Record<string, unknown>,
    folder = ".",
    env: Record<string, string> = {},
  ) {
    this.#followed = new Followed(entry(options), {
      surroundings: { folder, env: (name) => env[name] },
      onChange: (targets) => {
        this.targets.push(targets);
        this.sets.push(targets.map(({ host, port }) => `${host}:${port}`).sort());
      },
      onWord: (_, message) => this.words.push(message),
    });
  }

  get state(): DiscoveryState {
    return this.#followed.state;
  }

  /** Waits until the set that counts is this one. */
  async counts(...places: string[]): Promise<void> {
    const wanted = JSON.stringify(places.sort());
    await waitFor(
      () => JSON.stringify(this.sets.at(-1) ?? []) === wanted,
      () => `${wanted}; it heard ${JSON.stringify(this.sets)}; ${this.words.join("; ")}`,
    );
  }

  async fails(why: RegExp): Promise<void> {
    await waitFor(
      () => why.test(this.state.error ?? ""),
      () => `${why}; its error is ${this.state.error}; ${this.words.join("; ")}`,
    );
  }

  /** Waits for an answer that came after now. */
  async answered(times = 1): Promise<void> {
    for (; times > 0; times--) {
      const { answeredAt, errors } = this.state;
      await waitFor(
        () => this.state.answeredAt !== answeredAt || this.state.errors !== errors,
        () => `one more answer; ${this.words.join("; ")}`,
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#followed.close();
  }
}

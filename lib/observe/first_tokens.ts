// Time to the first token over the last minute, of all, of each model and of each instance: from the very values,
// not from the few bounds that metrics have.

import { MinuteQuantiles } from "./quantiles.ts";
import type { Report } from "./report.ts";
import type { KnownNames } from "./tally.ts";

/** In milliseconds; null where nothing was answered. */
export interface FirstToken {
  readonly p50: number | null;
  readonly p99: number | null;
}

const NOTHING: FirstToken = { p50: null, p99: null };

export class FirstTokens {
  readonly #all = new MinuteQuantiles();
  #models = new Map<string, MinuteQuantiles>();
  #instances = new Map<string, MinuteQuantiles>();

  /** `now` is in milliseconds, of a clock that never goes back. */
  constructor(private readonly now: () => number) {}

  /** Takes over the names of a configuration; values of others are forgotten, and not kept. */
  configure({ instances }: KnownNames): void {
    this.#models = kept(this.#models, instances.flatMap(({ models }) => models));
    this.#instances = kept(this.#instances, instances.map(({ name }) => name));
  }

  /** On the way of every request. */
  request({ streamed, firstByteMs, outcome, model, instance }: Report): void {
    if (!streamed || firstByteMs === null || outcome === "rejected") return;
    const now = this.now();
    this.#all.add(firstByteMs, now);
    this.#models.get(model)?.add(firstByteMs, now);
    this.#instances.get(instance)?.add(firstByteMs, now);
  }

  get total(): FirstToken {
    return this.#of(this.#all);
  }

  model(name: string): FirstToken {
    return this.#of(this.#models.get(name));
  }

  instance(name: string): FirstToken {
    return this.#of(this.#instances.get(name));
  }

  #of(values: MinuteQuantiles | undefined): FirstToken {
    if (values === undefined) return NOTHING;
    const found = values.of(this.now());
    return { p50: found.at(0.5), p99: found.at(0.99) };
  }
}

function kept(
  before: ReadonlyMap<string, MinuteQuantiles>,
  names: readonly string[],
): Map<string, MinuteQuantiles> {
  return new Map(names.map((name) => [name, before.get(name) ?? new MinuteQuantiles()]));
}

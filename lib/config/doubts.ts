// What a configuration says of keys that can be meant, but hardly is: told by `check` and in the log,
// and no reason to refuse it.

import type { Config } from "./config.ts";
import { matches } from "./names.ts";

/** One sentence each. `nowMs`: milliseconds since 1970. */
export function doubtsAbout({ callers, instances }: Config, nowMs: number): string[] {
  if (callers === null) return [];
  const served = [...new Set(instances.flatMap(({ models }) => models))];
  const isServed = (pattern: string) => served.some((model) => matches(pattern, model));
  const doubts: string[] = [];
  for (const { name, models, expiresMs } of callers.keys) {
    for (const model of models) {
      if (!isServed(model)) {
        doubts.push(`key \`${name}\`: no instance serves the model \`${model}\``);
      }
    }
    if (expiresMs !== null && expiresMs <= nowMs) doubts.push(`key \`${name}\` has expired`);
  }
  for (const model of Object.keys(callers.models)) {
    if (!isServed(model)) doubts.push(`limits.models: no instance serves the model \`${model}\``);
  }
  const prices = Object.keys(callers.prices);
  for (const model of prices) {
    if (!isServed(model)) doubts.push(`limits.prices: no instance serves the model \`${model}\``);
  }
  const hasPrice = (model: string) => prices.some((price) => matches(price, model));
  if (prices.length > 0) {
    for (const model of served) {
      if (!hasPrice(model)) {
        doubts.push(`limits.prices: the model \`${model}\` has no price, and costs nothing`);
      }
    }
  }
  return doubts;
}

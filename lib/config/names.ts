// How the configuration names things, and several at once: routes, models, keys.

import type { InstanceConfig } from "./config.ts";

/** Whether `pattern`, a name or a beginning that ends in `*`, means `name`. */
export function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** What `named` has under `name`; undefined for what any object has of itself, such as `constructor`. */
export function under<T>(named: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(named, name) ? named[name] : undefined;
}

/** What the instance calls the model. */
export function upstreamName(
  { upstreamModels }: Pick<InstanceConfig, "upstreamModels">,
  model: string,
): string {
  return under(upstreamModels, model) ?? model;
}

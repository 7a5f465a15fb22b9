// What a configuration says of keys and the token that can be meant, but hardly is: told by `check` and in the
// log, and no reason to refuse it.

import type { Config } from "./config.ts";
import { matches } from "./names.ts";

/** Shorter ones are found by trying. */
const LEAST_TOKEN_CHARS = 16;

/** One sentence each. `nowMs`: milliseconds since 1970. */
export function doubtsAbout(config: Config, nowMs: number): string[] {
  return [...doubtsAboutToken(config), ...doubtsAboutCallers(config, nowMs)];
}

function doubtsAboutToken({ admin: { token } }: Config): string[] {
  if (token === null || token.length >= LEAST_TOKEN_CHARS) return [];
  return [
    `admin.token has ${token.length} characters and can be found by trying; ` +
    "`openssl rand -base64 24` makes one that cannot",
  ];
}

function doubtsAboutCallers({ callers, instances }: Config, nowMs: number): string[] {
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

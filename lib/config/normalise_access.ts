// From the checked options of access to what the program works with, and the checks that need to see more
// than one value.

import { createHash } from "node:crypto";
import type { Budget, CallersConfig, GroupConfig, JwtConfig, KeyConfig, Rates } from "./access.ts";
import type { RawBudget, RawKey, RawRates } from "./access_options.ts";
import type { Fault } from "./fault.ts";
import type { Path } from "./path.ts";
import type { RawConfig } from "./schema.ts";

/** A key's options, and where they stand. */
export interface PlacedKey {
  readonly raw: RawKey;
  readonly path: Path;
  readonly inKeysFile: boolean;
}

const BURST_S = 60;

/** null where anyone may ask for anything; faults go to `faults`. */
export function normaliseCallers(
  raw: RawConfig,
  keys: readonly PlacedKey[],
  faults: Fault[],
): CallersConfig | null {
  const { limits, access } = raw;
  if (keys.length === 0 && raw.keys_file === null && access.jwt === null) {
    refuseIdle(raw, faults);
    return null;
  }
  const groups = groupsOf(raw, faults);
  const defaults = defaultsOf(raw, faults);
  refuseTwins(keys, faults);
  return {
    keys: keys.map((key) => keyOf(key, { raw, groups, defaults, faults })),
    groups,
    models: mapped(limits.models, (rates) => ratesOf(rates, null)),
    prices: mapped(limits.prices, ({ prompt, cached, completion }) => ({
      prompt,
      cached: cached ?? prompt,
      completion,
    })),
    defaults,
    settle: limits.settle,
    maxShareOfQueue: limits.max_share_of_queue,
    timeZone: limits.time_zone,
    withoutKey: withoutKeyOf(access.without_key, keys, faults),
    jwt: jwtOf(access.jwt),
  };
}

function groupsOf(raw: RawConfig, faults: Fault[]): Record<string, GroupConfig> {
  const groups: Record<string, GroupConfig> = {};
  raw.groups.forEach((group, index) => {
    if (Object.hasOwn(groups, group.name)) {
      faults.push({ path: ["groups", index, "name"], message: "a second group of this name" });
    }
    groups[group.name] = {
      name: group.name,
      limits: ratesOf(group, null),
      budgets: budgetsOf(group.budget, ["groups", index, "budget"], raw, faults),
      priority: group.priority ?? null,
      cacheSalt: saltOf(group.name, group.cache_salt),
    };
  });
  return groups;
}

/** What a key has that says nothing else. */
function defaultsOf(raw: RawConfig, faults: Fault[]): CallersConfig["defaults"] {
  const { limits } = raw;
  return {
    limits: ratesOf(limits, null),
    budgets: budgetsOf(limits.budget, ["limits", "budget"], raw, faults),
    over: limits.over,
  };
}

/** Two keys of one name, or of one hash. */
function refuseTwins(keys: readonly PlacedKey[], faults: Fault[]): void {
  const names = new Set<string>();
  const hashes = new Map<string, string>();
  for (const { raw: key, path, inKeysFile } of keys) {
    const fault = (name: string, message: string) =>
      faults.push({ path: [...path, name], message, inKeysFile });
    if (names.has(key.name)) fault("name", "a second key of this name");
    names.add(key.name);
    for (const { hash } of hashesOf(key)) {
      const other = hashes.get(hash);
      if (other !== undefined) {
        fault(key.hash === undefined ? "key" : "hash", `the same key as \`${other}\``);
      }
      hashes.set(hash, key.name);
    }
  }
}

/** What a key's options are read by. */
interface KeyRules {
  readonly raw: RawConfig;
  readonly groups: Readonly<Record<string, GroupConfig>>;
  readonly defaults: CallersConfig["defaults"];
  readonly faults: Fault[];
}

function keyOf(placed: PlacedKey, { raw, groups, defaults, faults }: KeyRules): KeyConfig {
  const { raw: key, path, inKeysFile } = placed;
  const { access } = raw;
  const hashes = hashesOf(key);
  // A name that tokens stand for, or who brings none, needs no key of its own.
  if (hashes.length === 0 && access.without_key !== key.name && access.jwt === null) {
    faults.push({ path, message: "expected `hash`, or `key` with a `${NAME}`", inKeysFile });
  }
  if (key.group !== undefined && !Object.hasOwn(groups, key.group)) {
    const message = `no group is named \`${key.group}\``;
    faults.push({ path: [...path, "group"], message, inKeysFile });
  }
  return {
    name: key.name,
    hashes,
    group: key.group ?? null,
    models: key.models,
    routes: key.routes,
    allowAddresses: key.allow_addresses,
    priority: key.priority ?? null,
    record: key.record,
    expiresMs: key.expires === undefined ? null : Date.parse(key.expires),
    disabled: key.disabled,
    note: key.note,
    limits: ratesOf(key, defaults.limits),
    budgets: key.budget === undefined
      ? defaults.budgets
      : budgetsOf(key.budget, [...path, "budget"], raw, faults, inKeysFile),
    over: key.over ?? defaults.over,
  };
}

/** The key of who brings none; null where they are refused. */
function withoutKeyOf(
  name: string,
  keys: readonly PlacedKey[],
  faults: Fault[],
): string | null {
  if (name === "refuse") return null;
  if (!keys.some(({ raw }) => raw.name === name)) {
    faults.push({
      path: ["access", "without_key"],
      message: `no key is named \`${name}\`; expected \`refuse\` or a key's name`,
    });
  }
  return name;
}

/** Without keys nobody has limits: what is said of them would be without effect. */
function refuseIdle({ groups, limits, access }: RawConfig, faults: Fault[]): void {
  const without = "has no effect without `keys`, `keys_file` or `access.jwt`";
  if (groups.length > 0) faults.push({ path: ["groups"], message: without });
  const { time_zone: _, settle: _settle, over: _over, max_share_of_queue: _share, ...rest } =
    limits;
  const said = Object.entries(rest).find(([, value]) =>
    value !== undefined && (typeof value !== "object" || Object.keys(value ?? {}).length > 0)
  );
  if (said !== undefined) faults.push({ path: ["limits", said[0]], message: without });
  if (access.without_key !== "refuse") {
    faults.push({ path: ["access", "without_key"], message: without });
  }
}

/** A value that is left out is as in `base`. */
function ratesOf(raw: RawRates, base: Rates | null): Rates {
  const or = (value: number | null | undefined, name: keyof Rates) =>
    value === undefined ? base?.[name] ?? null : value;
  return {
    requestsPerMinute: or(raw.requests_per_minute, "requestsPerMinute"),
    tokensPerMinute: or(raw.tokens_per_minute, "tokensPerMinute"),
    concurrency: or(raw.concurrency, "concurrency"),
    maxPromptTokens: or(raw.max_prompt_tokens, "maxPromptTokens"),
    maxCompletionTokens: or(raw.max_completion_tokens, "maxCompletionTokens"),
    burstS: raw.burst ?? base?.burstS ?? BURST_S,
  };
}

function budgetsOf(
  raw: RawBudget | RawBudget[] | undefined,
  path: Path,
  { limits }: RawConfig,
  faults: Fault[],
  inKeysFile = false,
): Budget[] {
  const isList = Array.isArray(raw);
  const periods = new Set<string>();
  return (raw === undefined ? [] : [raw].flat()).map((one, index) => {
    const at = isList ? [...path, index] : path;
    const fault = (name: string[], message: string) =>
      faults.push({ path: [...at, ...name], message, inKeysFile });
    if (one.tokens === undefined && one.cost === undefined) {
      fault([], "expected `tokens` or `cost`");
    }
    if (one.cost !== undefined && Object.keys(limits.prices).length === 0) {
      fault(["cost"], "has no effect without `limits.prices`");
    }
    if (periods.has(one.period)) fault(["period"], "a second budget of this period");
    periods.add(one.period);
    return { period: one.period, tokens: one.tokens ?? null, cost: one.cost ?? null };
  });
}

function hashesOf(key: RawKey): KeyConfig["hashes"] {
  const own = [];
  if (key.hash !== undefined) own.push({ hash: key.hash.slice("sha256:".length), untilMs: null });
  if (key.key !== undefined) own.push({ hash: sha256(key.key), untilMs: null });
  return [
    ...own,
    ...key.previous.map(({ hash, until }) => ({
      hash: hash.slice("sha256:".length),
      untilMs: Date.parse(until),
    })),
  ];
}

/** The salt need not be secret: the gateway leaves no client's own in its place. */
function saltOf(name: string, said: boolean | string): string | null {
  if (said === false) return null;
  return said === true ? sha256(`cache_salt ${name}`) : said;
}

function jwtOf(raw: RawConfig["access"]["jwt"]): JwtConfig | null {
  return raw && {
    issuer: raw.issuer,
    audience: [raw.audience].flat(),
    algorithms: raw.algorithms,
    jwksUrl: raw.jwks_url ?? null,
    name: raw.name,
    group: raw.group,
    clockToleranceS: raw.clock_tolerance,
  };
}

function mapped<A, B>(record: Readonly<Record<string, A>>, map: (value: A) => B) {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

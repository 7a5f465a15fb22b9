// From the checked options of instances, those that discovery finds included, to what the program works with.

import type { FoundOptions, InstanceConfig, Timeouts } from "./config.ts";
import type { Fault } from "./fault.ts";
import { instanceId, modelsNamed, unique } from "./identity.ts";
import type { Path } from "./path.ts";
import type { RawConfig, RawDiscovery, RawInstance } from "./schema.ts";
import { readUrl } from "./url.ts";

/** A parser may hold a whole tool call back; the clients' own limits are as long. */
const HELD_IDLE_S = 300;

/** What is waited for at most, where nobody else can answer. */
const AUTO_FIRST_BYTE_S = 300;

type FirstByte = Pick<Timeouts, "firstByteS" | "firstByteIsAuto">;

function firstByte(given: number | "auto"): FirstByte {
  return given === "auto"
    ? { firstByteS: AUTO_FIRST_BYTE_S, firstByteIsAuto: true }
    : { firstByteS: given, firstByteIsAuto: false };
}

function firstByteOf({ firstByteS, firstByteIsAuto }: Timeouts): FirstByte {
  return { firstByteS, firstByteIsAuto };
}

function timeoutsOf(raw: RawConfig["timeouts"]): Timeouts {
  return {
    connectS: raw.connect,
    ...firstByte(raw.first_byte),
    idleS: raw.idle,
    heldIdleS: Math.max(raw.idle, HELD_IDLE_S),
    answerS: raw.answer,
    totalS: raw.total,
  };
}

function mergeTimeouts(raw: RawInstance["timeouts"], base: Timeouts): Timeouts {
  return {
    connectS: raw?.connect ?? base.connectS,
    ...raw?.first_byte === undefined ? firstByteOf(base) : firstByte(raw.first_byte),
    idleS: raw?.idle ?? base.idleS,
    heldIdleS: Math.max(raw?.idle ?? base.idleS, HELD_IDLE_S),
    answerS: raw?.answer ?? base.answerS,
    totalS: raw?.total === undefined ? base.totalS : raw.total,
  };
}

/** The instances that are named, both lists; faults go to `faults`. */
export function normaliseInstances(
  raw: RawConfig,
  optionsOf: OptionsOf,
  faults: Fault[],
): InstanceConfig[] {
  const names = new Map<string, number>();
  const places = new Map<string, Path>();
  return (["instances", "fallback_instances"] as const).flatMap((list) =>
    raw[list].flatMap((item, index) => {
      const path = [list, index];
      const place = readUrl(item.url);
      if (typeof place === "string") throw new Error(place);
      const options = optionsOf(item, path, list === "fallback_instances");
      const id = instanceId(place, options);
      const before = places.get(id);
      if (before !== undefined) {
        const message = `the same url and models as ${before[0]}[${before[1]}]`;
        faults.push({ path: [...path, "url"], message });
        return [];
      }
      places.set(id, path);
      const name = unique(item.name ?? new URL(place.origin).host, names);
      return { id, name, ...place, ...options };
    })
  );
}

/** Makes all that is said of an instance, but where it is, of its options at `path`. */
export type OptionsOf = (
  item: RawInstance | RawDiscovery,
  path: Path,
  fallback: boolean,
) => FoundOptions;

/** What an instance leaves out is as `raw` says it for all. Faults go to `faults`. */
export function optionsBy({ timeouts, routing }: RawConfig, faults: Fault[]): OptionsOf {
  const base = timeoutsOf(timeouts);
  const kvTokens = routing.kv_tokens === "auto" ? null : routing.kv_tokens;
  return (item, path, fallback) => {
    const { models, listsModels } = modelsNamed([item.model_name].flat());
    return {
      models,
      upstreamModels: upstreamModelsOf(item, models, path, faults),
      apiKey: item.api_key || null,
      passthrough: item.passthrough,
      weight: item.weight,
      maxConcurrency: item.max_concurrency ?? null,
      maxContext: item.max_context ?? null,
      kvTokens: item.kv_tokens ?? kvTokens,
      dataParallel: item.data_parallel ?? routing.data_parallel,
      ranks: 0,
      listsModels,
      fallback,
      timeouts: mergeTimeouts(item.timeouts, base),
    };
  };
}

/** What the instance calls its models, by what they are called here. */
function upstreamModelsOf(
  { upstream_model: named }: RawInstance | RawDiscovery,
  models: readonly string[],
  path: Path,
  faults: Fault[],
): Record<string, string> {
  if (typeof named === "string") return Object.fromEntries(models.map((model) => [model, named]));
  for (const model of Object.keys(named ?? {})) {
    if (models.includes(model)) continue;
    const message = `\`${model}\` is not among model_name`;
    faults.push({ path: [...path, "upstream_model", model], message });
  }
  return { ...named };
}

// One server that a discovery has found, and how it becomes an instance.

import type { Config, DiscoveryConfig, InstanceConfig } from "../config/config.ts";
import { placeId } from "../config/normalise_discovery.ts";
import { instanceId, modelsNamed, unique } from "../config/identity.ts";
import { readUrl } from "../config/url.ts";

/** What is not said of it is as the discovery's options have it. */
export interface Target {
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly scheme?: "http" | "https";
  /** For logs and metrics; else host and port. */
  readonly name?: string;
  readonly models?: readonly string[];
  /** Times the weight of the options. */
  readonly share?: number;
}

/** More than these of one discovery are not looked at. */
export const MAX_TARGETS = 256;
/** Nor more than these of all. */
const MAX_FOUND = 640;

/** A text by which a target is told from another one, and from itself when something of it changed. */
export function keyOf({ host, port, scheme, name, models, share }: Target): string {
  return JSON.stringify([host, port, scheme, name, models, share]);
}

/** The url of a target, or what is wrong with it. */
export function placeOf(target: Target, scheme: "http" | "https"): ReturnType<typeof readUrl> {
  const { host, port } = target;
  if (!/^[\w.:-]{1,255}$/.test(host)) return "it has no host name or address";
  if (!Number.isInteger(port) || port < 1 || port > 65535) return "it has no port";
  return readUrl(`${target.scheme ?? scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`);
}

/** The same configuration with what was found; one that the file names itself is as the file says. */
export function withFound(
  config: Config,
  found: ReadonlyMap<string, readonly Target[]>,
): Config {
  const listed = config.instances;
  const names = new Map<string, number>();
  const ids = new Set<string>();
  for (const { name, id } of listed) {
    unique(name, names);
    ids.add(id);
  }
  const more: InstanceConfig[] = [];
  for (const discovery of config.discovery) {
    for (const target of found.get(placeId(discovery)) ?? []) {
      const instance = instanceOf(discovery, target);
      if (instance === null || ids.has(instance.id) || more.length === MAX_FOUND) continue;
      ids.add(instance.id);
      more.push({ ...instance, name: unique(instance.name, names) });
    }
  }
  if (more.length === 0) return config;
  const fallbacks = listed.findIndex(({ fallback }) => fallback);
  const own = fallbacks < 0 ? listed.length : fallbacks;
  const instances = [...listed.slice(0, own), ...more, ...listed.slice(own)];
  return Object.freeze({ ...config, instances });
}

function instanceOf({ found, scheme }: DiscoveryConfig, target: Target): InstanceConfig | null {
  const place = placeOf(target, scheme);
  if (typeof place === "string") return null;
  const options = {
    ...found,
    ...(target.models === undefined ? {} : modelsNamed(target.models)),
    weight: found.weight * (target.share ?? 1),
  };
  const name = target.name ?? new URL(place.origin).host;
  return { id: instanceId(place, options), name, ...place, ...options };
}

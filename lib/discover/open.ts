// The source of each kind of place.

import type { DiscoveryConfig } from "../config/config.ts";
import { openConsul } from "./consul.ts";
import { openDns } from "./dns.ts";
import { openFile, pathOf } from "./file.ts";
import { openKubernetes } from "./kubernetes.ts";
import type { Hearer, Source } from "./source.ts";

/** Where the gateway runs. */
export interface Surroundings {
  /** Of the configuration file. */
  readonly folder: string;
  env(name: string): string | undefined;
}

/** Asks from now on. */
export function openSource(
  { place, port, intervalS }: DiscoveryConfig,
  { folder, env }: Surroundings,
  hearer: Hearer,
): Source {
  switch (place.type) {
    case "dns":
      return openDns(place, port === null ? null : Number(port), intervalS, hearer);
    case "file":
      return openFile(pathOf(folder, place.path), hearer);
    case "kubernetes":
      return openKubernetes(place, port, env, hearer);
    case "consul":
      return openConsul(place, hearer);
  }
}

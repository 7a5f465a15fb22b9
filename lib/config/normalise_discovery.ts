// From the checked options of discovery to what the program works with.

import type { DiscoveryConfig, FoundOptions } from "./config.ts";
import type { Place } from "./discovery.ts";
import type { Fault } from "./fault.ts";
import { unique } from "./identity.ts";
import type { RawDiscovery } from "./schema.ts";

/** Identity over reloads: what is asked where. What the found ones are like may change. */
export function placeId({ place, port }: Pick<DiscoveryConfig, "place" | "port">): string {
  return JSON.stringify([place, port]);
}

/** `found` makes what an entry says of its instances from its options. */
export function normaliseDiscovery(
  list: readonly RawDiscovery[],
  found: (raw: RawDiscovery, index: number) => FoundOptions,
  faults: Fault[],
): DiscoveryConfig[] {
  const ids = new Map<string, number>();
  const names = new Map<string, number>();
  return list.map((raw, index) => {
    const place = placeOf(raw);
    const port = "port" in raw ? raw.port ?? null : null;
    const id = placeId({ place, port });
    if (raw.type === "dns" && !raw.srv && port === null) {
      faults.push({ path: ["discovery", index, "port"], message: "expected a port, or srv: true" });
    }
    const before = ids.get(id);
    if (before !== undefined) {
      faults.push({ path: ["discovery", index], message: `asks what discovery[${before}] asks` });
    } else ids.set(id, index);
    return {
      name: unique(`${place.type} ${subject(raw)}`, names),
      place,
      scheme: raw.scheme,
      port,
      intervalS: "interval" in raw ? raw.interval : 0,
      keepEmptyS: raw.keep_empty,
      found: found(raw, index),
    };
  });
}

function subject(raw: RawDiscovery): string {
  return raw.type === "dns" ? raw.name : raw.type === "file" ? raw.path : raw.service;
}

function placeOf(raw: RawDiscovery): Place {
  switch (raw.type) {
    case "dns": {
      const { name, srv, family, server } = raw;
      return {
        type: "dns",
        name,
        srv,
        family,
        server: server === null ? null : nameServer(server),
      };
    }
    case "file":
      return { type: "file", path: raw.path };
    case "kubernetes": {
      const [service, namespace = null] = raw.service.split("/").reverse();
      const { url, token_file: tokenFile, ca_file: caFile } = raw;
      return { type: "kubernetes", namespace, service, url, tokenFile, caFile };
    }
    case "consul": {
      const { service, datacenter, tag, token } = raw;
      return { type: "consul", url: raw.url.replace(/\/+$/, ""), service, datacenter, tag, token };
    }
  }
}

/** `10.0.0.2:53`, `[fd00::1]:53`, or an address alone. */
function nameServer(text: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [, , text];
  return { host: (bracketed ?? plain)!, port: Number(port ?? 53) };
}

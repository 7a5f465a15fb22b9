// What the process says of itself when it starts and when its configuration changes.

import type { Config } from "../config/config.ts";
import { portHolder } from "./port_holder.ts";
import { VERSION } from "./version.ts";

/** From here on every user may listen. */
const FREE_PORTS = 1024;

/** "2 instances, 1 fallback" */
export function fleetInWords(config: Config): string {
  const fallbacks = config.instances.filter((instance) => instance.fallback).length;
  const own = config.instances.length - fallbacks;
  return `${own} instance${own === 1 ? "" : "s"}, ${fallbacks} fallback${
    fallbacks === 1 ? "" : "s"
  }`;
}

/** The line that says where the gateway listens. */
export function readyLine(config: Config, path: string | null, port: number): string {
  const host = config.host === "0.0.0.0" || config.host === "::" ? "127.0.0.1" : config.host;
  const shown = host.includes(":") ? `[${host}]` : host;
  const scheme = config.tls === null ? "http" : "https";
  return `simple-ai-gateway ${VERSION} listening on ${scheme}://${shown}:${port} ` +
    `(${fleetInWords(config)}; ${path === null ? "no config file" : `config ${path}`}` +
    `${config.admin.enabled ? "; dashboard at /dashboard" : ""})`;
}

/** Why the door stays shut, and what to do about it. */
export async function cannotListen(host: string, port: number, error: unknown): Promise<string> {
  const at = `cannot listen on ${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (error instanceof Deno.errors.PermissionDenied && port < FREE_PORTS) {
    return `${at}: ports below ${FREE_PORTS} are the system's; --port chooses another, and ` +
      "CAP_NET_BIND_SERVICE gives the gateway's user this one (AmbientCapabilities= in a systemd unit)";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return `${at}: this host has no such address; --host chooses another, 0.0.0.0 for all that it has`;
  }
  if (!(error instanceof Deno.errors.AddrInUse)) {
    return `${at}: ${error instanceof Error ? error.message : error}`;
  }
  const holder = await portHolder(host, port);
  const what = holder === null ? "the port is in use" : `${holder} has the port`;
  const takeover = holder === null || holder.startsWith("another gateway")
    ? "; --takeover listens beside a gateway that is to go"
    : "";
  return `${at}: ${what}; --port chooses another${takeover}`;
}

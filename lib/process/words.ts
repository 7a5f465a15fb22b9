// What the process says of itself when it starts and when its configuration changes.

import type { Config } from "../config/config.ts";
import { VERSION } from "./version.ts";

/** "2 instances, 1 fallback" */
export function fleetInWords(config: Config): string {
  const fallbacks = config.instances.filter((instance) => instance.fallback).length;
  const own = config.instances.length - fallbacks;
  return `${own} instance${own === 1 ? "" : "s"}, ${fallbacks} fallback${
    fallbacks === 1 ? "" : "s"
  }`;
}

/** The line that says where the gateway listens. */
export function readyLine(config: Config, path: string, port: number): string {
  const host = config.host === "0.0.0.0" || config.host === "::" ? "127.0.0.1" : config.host;
  const shown = host.includes(":") ? `[${host}]` : host;
  return `simple-ai-gateway ${VERSION} listening on http://${shown}:${port} ` +
    `(${fleetInWords(config)}; config ${path})`;
}

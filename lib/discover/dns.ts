// Discovery by names: addresses of one, or SRV records. Asked at an interval, whatever the TTL says.

import type { DnsPlace } from "../config/discovery.ts";
import { mustBeNothing } from "./dns_code.ts";
import { Loop } from "./loop.ts";
import type { Hearer, Source } from "./source.ts";
import type { Target } from "./target.ts";

/** For one question, unless the interval is shorter; the resolver itself would try for longer. */
const TIMEOUT_MS = 5000;
const LEAST_TIMEOUT_MS = 1000;

export function openDns(
  place: DnsPlace,
  port: number | null,
  intervalS: number,
  hearer: Hearer,
): Source {
  const timeoutMs = Math.min(TIMEOUT_MS, Math.max(LEAST_TIMEOUT_MS, intervalS * 1000));
  return new Loop(
    async (closing) => {
      const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]);
      hearer.found(await (place.srv ? services(place, signal) : hosts(place, port!, signal)));
      return intervalS * 1000;
    },
    (error) => hearer.failed(messageOf(place, error)),
    intervalS * 1000,
  );
}

async function hosts(place: DnsPlace, port: number, signal: AbortSignal): Promise<Target[]> {
  const found = await addresses(place.name, place, signal);
  return found.map((host) => ({ host, port }));
}

/** Of SRV records those of the first priority count: the others are for when these are gone. */
async function services(place: DnsPlace, signal: AbortSignal): Promise<Target[]> {
  const asked = Deno.resolveDns(place.name, "SRV", optionsOf(place, signal));
  const records = await known(asked, () => mustBeNothing(place.name, "SRV", place.server, signal));
  const first = Math.min(...records.map(({ priority }) => priority));
  const best = records.filter(({ priority }) => priority === first);
  const mean = best.reduce((sum, { weight }) => sum + weight, 0) / best.length;
  const found = await Promise.all(best.map(async ({ target, port, weight }) => {
    // RFC 2782: one with weight 0 has a very small chance.
    const share = mean === 0 || weight === mean ? undefined : Math.max(weight / mean, 0.01);
    const hosts = await addresses(target.replace(/\.$/, ""), place, signal);
    return hosts.map((host): Target => ({ host, port, share }));
  }));
  return found.flat();
}

async function addresses(name: string, place: DnsPlace, signal: AbortSignal): Promise<string[]> {
  const options = optionsOf(place, signal);
  const nothing = (type: "A" | "AAAA") => () => mustBeNothing(name, type, place.server, signal);
  const v4 = () => known(Deno.resolveDns(name, "A", options), nothing("A"));
  const v6 = () => known(Deno.resolveDns(name, "AAAA", options), nothing("AAAA"));
  switch (place.family) {
    case "ipv4":
      return await v4();
    case "ipv6":
      return await v6();
    case "both":
      return (await Promise.all([v4(), v6()])).flat();
    case "auto": {
      const found = await v4();
      return found.length > 0 ? found : await v6();
    }
  }
}

function optionsOf({ server }: DnsPlace, signal: AbortSignal): Deno.ResolveDnsOptions {
  if (server === null) return { signal };
  return { signal, nameServer: { ipAddr: server.host, port: server.port } };
}

/** No such name, or none of this kind, is an answer, too, once `mustBeNothing` has let it pass. */
async function known<T>(asked: Promise<T[]>, mustBeNothing: () => Promise<void>): Promise<T[]> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await mustBeNothing();
    return [];
  }
}

function messageOf({ server }: DnsPlace, error: unknown): string {
  const who = server === null ? "the system's name server" : `${server.host}:${server.port}`;
  const isLate = error instanceof Deno.errors.TimedOut || error instanceof DOMException;
  if (isLate) return `${who} does not answer`;
  return `${who}: ${error instanceof Error ? error.message.split("\n", 1)[0] : error}`;
}

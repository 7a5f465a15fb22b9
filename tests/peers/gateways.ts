// Gateways that know each other, as tests start them: each on a free port, told of the others by a reload.

import type { FleetSnapshot } from "../../lib/dashboard/source.ts";
import {
  type GatewayProcess,
  type GatewayProcessOptions,
  startGateway,
} from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

export const TOKEN = "a-token-of-gateways";

export interface Together extends AsyncDisposable {
  readonly gateways: readonly GatewayProcess[];
}

/** Starts one gateway for each configuration; `peers` is added to what they say. */
export async function startTogether(
  configs: readonly Record<string, unknown>[],
  peers: Record<string, unknown> = {},
  options: Partial<GatewayProcessOptions> = {},
): Promise<Together> {
  const gateways: GatewayProcess[] = [];
  const dispose = async () => {
    for (const gateway of gateways) gateway.signal("SIGCONT");
    await Promise.all(gateways.map((gateway) => gateway[Symbol.asyncDispose]()));
  };
  try {
    for (const config of configs) gateways.push(await startGateway({ ...options, config }));
    const urls = gateways.map(({ url }) => url);
    for (const [at, gateway] of gateways.entries()) {
      await gateway.writeConfig({ ...configs[at], peers: { urls, token: TOKEN, ...peers } });
    }
    for (const gateway of gateways) await hears(gateway, gateways.length - 1);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { gateways, [Symbol.asyncDispose]: dispose };
}

/** Waits until it hears so many others. */
export async function hears(gateway: GatewayProcess, others: number): Promise<void> {
  await waitFor(
    async () => await metric(gateway, "gateway_peers") === others,
    () => `${others} other gateways; ${gateway.output()}`,
  );
}

/** A value of its metrics, with the labels as they stand there; 0 where there is none. */
export async function metric(gateway: GatewayProcess, name: string): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.split(" ").at(-1));
}

/** Waits until it has heard two more notes: what was there before is in them. */
export async function hearsMore(gateway: GatewayProcess, others = 1): Promise<void> {
  const taken = () => metric(gateway, 'gateway_peer_notes_total{direction="taken"}');
  const wanted = await taken() + 2 * others + 1;
  await waitFor(async () => await taken() >= wanted, `notes for ${gateway.url}`);
}

export async function fleetOf(gateway: GatewayProcess): Promise<FleetSnapshot> {
  return await (await fetch(`${gateway.url}/dashboard/api/fleet`)).json();
}

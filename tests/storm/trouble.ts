// What goes wrong during the storm: instances are killed, stopped and restarted, one at a time, and the
// config file is rewritten beside that. Whether any client noticed is left to storm.ts.

import type { Random } from "../fuzz/random.ts";
import type { GatewayProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import type { Instance } from "./instances.ts";
import { pause } from "./pause.ts";

export interface Troubles {
  kills: number;
  stops: number;
  restarts: number;
  reloads: number;
}

export interface TroubleOptions {
  gateway: GatewayProcess;
  instances: readonly Instance[];
  /** The config without its instances. */
  config: Record<string, unknown>;
  random: Random;
  /** Ends it; the instance in trouble is brought back first. */
  signal: AbortSignal;
  onTrouble(what: string): void;
}

type Kind = "kills" | "stops" | "restarts";

/** Makes trouble until `signal` and resolves with how often. */
export async function makeTrouble(options: TroubleOptions): Promise<Troubles> {
  const troubles: Troubles = { kills: 0, stops: 0, restarts: 0, reloads: 0 };
  await Promise.all([hurtInstances(options, troubles), rewriteConfig(options, troubles)]);
  return troubles;
}

async function hurtInstances(options: TroubleOptions, troubles: Troubles): Promise<void> {
  const { instances, random, signal, onTrouble } = options;
  const hurt: Record<Kind, (victim: Instance) => Promise<void>> = {
    kills: async (victim) => {
      await victim.kill();
      await pause(200 + random.below(1500));
      await victim.start();
    },
    // Longer than timeouts.idle, so that answers are taken over, and shorter now and then.
    stops: async (victim) => {
      victim.freeze();
      await pause(1000 + random.below(3500));
      victim.thaw();
    },
    restarts: async (victim) => {
      await victim.end();
      await victim.start();
    },
  };
  let bag: Kind[] = [];
  while (!signal.aborted) {
    if (bag.length === 0) bag = shuffled(["kills", "kills", "stops", "restarts"], random);
    const kind = bag.pop()!;
    const victim = random.pick(instances);
    onTrouble(`${kind} ${victim.name}`);
    await hurt[kind](victim);
    troubles[kind]++;
    await isBack(options, victim);
    onTrouble(`${victim.name} is back`);
    await pause(200 + random.below(800), signal);
  }
}

/** The next one is only hurt when the gateway uses this one again (or the config leaves it out). */
async function isBack({ gateway, signal }: TroubleOptions, { name }: Instance): Promise<void> {
  await waitFor(
    async () => {
      if (signal.aborted) return true;
      const state = await stateOf(gateway, name);
      return state !== null && state !== "down" && state !== "ejected";
    },
    `${name} to be used again`,
    60_000,
  );
}

/** undefined for one that the config leaves out; null where the worker that was asked has died. */
async function stateOf(gateway: GatewayProcess, name: string): Promise<string | undefined | null> {
  try {
    const health = await (await fetch(`${gateway.url}/health`)).json();
    return health.instances.find((one: { name: string }) => one.name === name)?.state;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return null;
  }
}

async function rewriteConfig(options: TroubleOptions, troubles: Troubles): Promise<void> {
  const { gateway, instances, random, signal, onTrouble } = options;
  while (true) {
    await pause(1000 + random.below(2000), signal);
    if (signal.aborted) break;
    const left = random.once(2) ? null : random.pick(instances);
    const drained = random.once(3) ? random.pick(instances) : null;
    const entries = instances.filter((one) => one !== left).map((one) => ({
      ...entry(one),
      weight: one === drained ? 0 : 1 + random.below(3),
    }));
    onTrouble(`config without ${left?.name ?? "nobody"}, ${drained?.name ?? "nobody"} drained`);
    await gateway.writeConfig({ ...options.config, instances: entries });
    troubles.reloads++;
  }
  await gateway.writeConfig({ ...options.config, instances: instances.map(entry) });
}

/** An instance as the config file names it. */
export function entry({ name, url }: Instance): Record<string, unknown> {
  return { name, url, model_name: "demo" };
}

function shuffled<T>(items: T[], random: Random): T[] {
  return items.map((item) => ({ item, at: random.below(1e9) }))
    .sort((a, b) => a.at - b.at).map(({ item }) => item);
}

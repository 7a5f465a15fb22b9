// Asks instances by hand: one question at a time for each, however many people press the button.

import type { ProbeView, TriedView } from "../../dashboard/source.ts";
import type { Instance } from "../../pool/instance.ts";
import { isServing } from "../../pool/service.ts";
import {
  probeInstance,
  type ProbeOutcome,
  tryInstance,
} from "../../server/questions/probe_instance.ts";
import type { Runtime } from "../runtime.ts";
import type { Snapshots } from "../snapshots.ts";

const GOOD: ReadonlySet<ProbeOutcome> = new Set(["fine", "no_model_of_words"]);

export class Asking {
  readonly #running = new Map<string, Promise<ProbeView>>();

  constructor(private readonly snapshots: Snapshots, private readonly runtime: Runtime) {}

  /** null where no instance has the name. */
  async ask(name: string): Promise<ProbeView | null> {
    const instance = this.runtime.fleet.instances.find((one) => one.name === name);
    if (instance === undefined) return null;
    let running = this.#running.get(name);
    if (running === undefined) {
      running = this.#ask(instance).finally(() => this.#running.delete(name));
      this.#running.set(name, running);
    }
    return await running;
  }

  /** Sends a chat request to this instance alone; null where no instance has the name. */
  async try(name: string, body: Readonly<Record<string, unknown>>): Promise<TriedView | null> {
    const instance = this.runtime.fleet.instances.find((one) => one.name === name);
    if (instance === undefined) return null;
    const transport = this.runtime.transportFor(instance);
    const answer = await tryInstance(transport, instance, body, () => performance.now());
    return { instance: name, ...answer };
  }

  async #ask(instance: Instance): Promise<ProbeView> {
    const steps = await probeInstance(
      this.runtime.transportFor(instance),
      instance,
      this.snapshots.config.healthCheck,
      () => performance.now(),
    );
    const { name, state } = instance;
    const ok = steps.every(({ outcome }) => GOOD.has(outcome));
    const verdict = !ok ? "probe_bad" : isServing(instance) ? "probe_good" : "probe_good_but_out";
    return { instance: name, ok, state, verdict, steps };
  }
}

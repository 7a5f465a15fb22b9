// The instances that serve one model, and the choice among them. Health is kept in outlier.ts, order in
// balancing/; what to do when a chosen instance fails is left to forward/failover.ts.

import type { Strategy } from "./balancing/strategy.ts";
import type { Instance } from "./instance.ts";
import type { Lease } from "./lease.ts";
import { type QueueOptions, type Waited, WaitQueue } from "./queue.ts";

export type Acquired = Lease | "full" | null;

export class Pool {
  readonly queue: WaitQueue<Lease>;

  constructor(
    readonly model: string,
    readonly privateInstances: readonly Instance[],
    readonly fallbacks: readonly Instance[],
    private readonly strategy: Strategy,
    private readonly queueOptions: QueueOptions,
    private readonly claim: (pick: () => Instance | null) => Lease | null,
    onWaiting: (change: 1 | -1) => void,
  ) {
    this.queue = new WaitQueue(onWaiting);
  }

  /**
   * A private instance that is available and was not tried: null when there is none, "full" when the
   * only reason is that all of them have as many requests as they may.
   */
  acquire(tried: ReadonlySet<Instance>, fits: (instance: Instance) => boolean): Acquired {
    return this.#choose(
      this.privateInstances,
      (instance) =>
        instance.takesRequests && instance.isAvailable && !tried.has(instance) && fits(instance),
    );
  }

  /** Any private instance that was not tried, ejected ones too: when all are out, all are tried. */
  acquireAnyway(tried: ReadonlySet<Instance>, fits: (instance: Instance) => boolean): Acquired {
    return this.#choose(
      this.privateInstances,
      (instance) =>
        instance.takesRequests && !instance.isBusy && !tried.has(instance) && fits(instance),
    );
  }

  /** The instance of that name, whichever its health, if it has room. */
  acquireNamed(name: string): Lease | null {
    const named = [...this.privateInstances, ...this.fallbacks].find((instance) =>
      instance.name === name && instance.takesRequests && instance.hasRoom
    );
    return named === undefined ? null : this.claim(() => named);
  }

  /** The first fallback in the configured order that can take it. */
  acquireFallback(tried: ReadonlySet<Instance>): Lease | null {
    const untried = this.fallbacks.filter((instance) =>
      instance.takesRequests && instance.hasRoom && !tried.has(instance)
    );
    const next = untried.find((instance) => instance.isAvailable) ?? untried[0];
    return next === undefined ? null : this.claim(() => next);
  }

  /** Waits in line for a private instance. */
  wait(priority: number, leave: (out: () => void) => void): Promise<Waited<Lease>> {
    return this.queue.wait(this.queueOptions, priority, leave);
  }

  /** Gives free places to those who wait. */
  serveQueue(): void {
    if (this.queue.length === 0) return;
    this.queue.serve(() => {
      const acquired = this.#choose(
        this.privateInstances,
        (instance) => instance.takesRequests && instance.isAvailable,
      );
      return acquired === "full" ? null : acquired;
    });
  }

  #choose(instances: readonly Instance[], fits: (instance: Instance) => boolean): Acquired {
    let full = false;
    const lease = this.claim(() => {
      const candidates: Instance[] = [];
      full = false;
      for (const instance of instances) {
        if (!fits(instance)) continue;
        if (instance.hasRoom) candidates.push(instance);
        else full = true;
      }
      return candidates.length === 0
        ? null
        : candidates.length === 1
        ? candidates[0]
        : this.strategy(candidates);
    });
    return lease ?? (full ? "full" : null);
  }
}

// The instances that serve one model, and the choice among them. Health is kept in outlier.ts, order in
// balancing/; what to do when a chosen instance fails is left to forward/forward.ts.

import type { Strategy } from "./balancing/strategy.ts";
import type { Instance } from "./instance.ts";
import type { Lease } from "./lease.ts";
import type { Line } from "./line.ts";
import { type QueueOptions, type Waited, WaitQueue } from "./queue.ts";

export type Acquired = Lease | "full" | null;

/** Which instances come into question for a request. */
export type Accepts = (instance: Instance) => boolean;

export class Pool {
  readonly queue: WaitQueue<Lease, Accepts>;

  constructor(
    readonly model: string,
    readonly privateInstances: readonly Instance[],
    readonly fallbacks: readonly Instance[],
    private readonly strategy: Strategy,
    private readonly queueOptions: QueueOptions,
    private readonly claim: (pick: () => Instance | null) => Lease | null,
    private readonly line: Line,
    onWaiting: (change: 1 | -1) => void,
  ) {
    this.queue = new WaitQueue(line, onWaiting);
  }

  /** Requests that wait for room, in all workers. */
  get waiting(): number {
    return this.line.length;
  }

  /**
   * A private instance that is available and accepted: null when there is none, "full" when the
   * only reason is that all of them have as many requests as they may.
   */
  acquire(accepts: Accepts): Acquired {
    return this.#choose(
      this.privateInstances,
      (instance) => instance.takesRequests && instance.isAvailable && accepts(instance),
    );
  }

  /** Whether a fallback that is well could take the request. */
  hasFallback(accepts: Accepts | null): boolean {
    return this.fallbacks.some((instance) =>
      instance.takesRequests && instance.isAvailable && instance.hasRoom &&
      (accepts === null || accepts(instance))
    );
  }

  /** Any private instance that is accepted, ejected ones too: when all are out, all are tried. */
  acquireAnyway(accepts: Accepts): Acquired {
    return this.#choose(
      this.privateInstances,
      (instance) => instance.takesRequests && !instance.isBusy && accepts(instance),
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
  acquireFallback(accepts: Accepts): Lease | null {
    const accepted = this.fallbacks.filter((instance) =>
      instance.takesRequests && instance.hasRoom && accepts(instance)
    );
    const next = accepted.find((instance) => instance.isAvailable) ?? accepted[0];
    return next === undefined ? null : this.claim(() => next);
  }

  /** Waits in line for a private instance, one of those that are accepted where that is given. */
  wait(
    priority: number,
    leave: (out: () => void) => void,
    accepts: Accepts | null = null,
  ): Promise<Waited<Lease>> {
    return this.queue.wait(this.queueOptions, priority, leave, accepts);
  }

  /** Gives free places to those who wait; where all instances are out, those of any instance. */
  serveQueue(): void {
    if (this.queue.length === 0) return;
    const allOut = this.privateInstances.every((instance) =>
      !instance.takesRequests || (instance.isOut && !instance.isAvailable)
    );
    // Nothing is left here to wait for, and somebody else can answer.
    if (allOut) this.queue.turnAway((accepts) => this.hasFallback(accepts));
    this.queue.serve((accepts) => {
      const acquired = this.#choose(
        this.privateInstances,
        (instance) =>
          instance.takesRequests && (allOut ? !instance.isBusy : instance.isAvailable) &&
          (accepts === null || accepts(instance)),
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

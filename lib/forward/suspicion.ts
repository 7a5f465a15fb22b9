// A request that was at engines when they died: whether it is the one that kills them ("query of death"), and how
// that is found out at the cost of two engines, without losing those that merely were there.
//
// Whoever waits for the first of its answer at an engine that dies is a suspect. The next instance that a suspect
// is given to has no other suspect, for as long as it waits there. Does that one's engine die as well, and no
// sooner than the first did, then it is this request's doing: no other was at both, and engines that are lost
// together, as with a switch or a driver, do not wait as long again. It is given to nobody any more. Any other
// comes to its first token and is cleared. A connection that broke says nothing of an engine: a machine that dies
// makes nobody suspect.

import type { Instance } from "../pool/instance.ts";
import type { Lease } from "../pool/lease.ts";
import { Trial } from "../pool/trial.ts";

/** After each death a suspect waits so long in all for an instance without others, then it joins them. */
const PATIENCE_MS = 3000;
/** How often it looks for one. */
const LOOK_MS = 20;
/** Connecting and waiting for a turn may take so long in one case and nothing in the other. */
const ALIKE_MS = 100;

export class Suspicion {
  /** Names of the instances whose engines died, in their order. */
  readonly deaths: string[] = [];
  /** It alone was at engines that died. */
  isProved = false;
  #trial: Trial | null = null;
  /** The shortest time that an engine lived with it. */
  #soonestMs = Infinity;
  /** Milliseconds that it would still wait. */
  #patienceMs = 0;

  /** @param locked Runs under the pool's lock. */
  constructor(private readonly locked: (body: () => void) => void) {}

  /** An engine died `ms` milliseconds after it was given the request, and had given nothing back. */
  died({ name }: Instance, ms: number): void {
    const wasAlone = this.#trial !== null && this.#trial.isAlone;
    this.left();
    this.isProved ||= wasAlone && this.deaths.length > 0 && ms >= this.#soonestMs / 2 - ALIKE_MS;
    this.deaths.push(name);
    this.#soonestMs = Math.min(this.#soonestMs, ms);
    this.#patienceMs = PATIENCE_MS;
  }

  /** Milliseconds after which it looks again, where all of these have a suspect; 0 where it shall go now. */
  waitMs(instances: readonly Instance[], random: number): number {
    const waits = this.#patienceMs > 0 && instances.length > 0 &&
      instances.every((one) => one.suspects.now > 0);
    if (!waits) return 0;
    const waitMs = LOOK_MS * (0.5 + random);
    this.#patienceMs -= waitMs;
    return waitMs;
  }

  /** The request goes there; false where another suspect was faster, and it had better look again. */
  comes({ instance }: Lease): boolean {
    this.locked(() => {
      if (instance.suspects.now > 0 && this.#patienceMs > 0) return;
      this.#trial = new Trial(instance);
    });
    return this.#trial !== null;
  }

  /** It waits at no instance any more. */
  left(): void {
    this.#trial?.end();
    this.#trial = null;
  }
}

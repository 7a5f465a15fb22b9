// A request that was at engines when they died: whether it is the one that kills them ("query of death"), and how
// that is found out at the cost of two engines, without losing those that merely were there.
//
// Whoever waits for the first of its answer at an engine that dies is a suspect. The next instance that a suspect
// is given to has no other suspect, until it has its first token or has been there for longer than the dead engine
// had it. Does that one's engine die as well, and no sooner than the first did, then it is this request's doing:
// no other was at both, and engines that are lost together, as with a switch or a driver, do not wait as long
// again. It is given to nobody any more, and the others that were there are cleared. A connection that broke says
// nothing of an engine: a machine that dies makes nobody suspect.

import type { Instance } from "../pool/instance.ts";
import type { Lease } from "../pool/lease.ts";
import { Trial } from "../pool/trial.ts";

/** After each death a suspect waits so long in all for an instance without others, then it joins them. */
const PATIENCE_MS = 8000;
/** How often it looks for one. */
const LOOK_MS = 20;
/** Connecting and waiting for a turn may take so long in one case and nothing in the other. */
const ALIKE_MS = 100;
/** What kills waits for its turn, at another instance perhaps longer; what comes later than this is another fault. */
const LATEST_SHARE = 4;
const LATEST_TURN_MS = 2000;
/** A suspect has an instance to itself for so much longer than the dead engine had it, and for so long at least. */
const TRIAL_SHARE = 1.5;
const LEAST_TRIAL_MS = 250;

export class Suspicion {
  /** Instances whose engines died, in their order. */
  readonly #dead: Instance[] = [];
  /** It alone was at engines that died. */
  isProved = false;
  #trial: Trial | null = null;
  #trialEnd: ReturnType<typeof setTimeout> | undefined;
  /** The shortest time that an engine lived with it. */
  #soonestMs = Infinity;
  /** When the last one died, on the fleet's clock. */
  #diedAt = 0;
  /** Milliseconds that it would still wait. */
  #patienceMs = 0;
  /** Milliseconds before it looks for the first time, where others were faster. */
  #holdMs = 0;

  /** @param locked Runs under the pool's lock. */
  constructor(private readonly locked: (body: () => void) => void) {}

  /** An engine died `ms` milliseconds after it was given the request, and had given nothing back. */
  died(instance: Instance, ms: number): void {
    const wasAlone = this.#trial !== null && this.#trial.isAlone;
    this.left();
    this.isProved ||= wasAlone && this.#dead.length > 0 && ms >= this.#soonestMs / 2 - ALIKE_MS &&
      ms <= this.#soonestMs * LATEST_SHARE + LATEST_TURN_MS;
    this.#dead.push(instance);
    this.#soonestMs = Math.min(this.#soonestMs, ms);
    this.#diedAt = instance.now();
    this.#patienceMs = PATIENCE_MS;
    // Who had been there for long has killed nothing for as long: it lets those go first that had just come.
    this.#holdMs = Math.min(this.#soonestMs, PATIENCE_MS / 2);
    if (this.isProved) { for (const one of this.#dead) one.noteKillerFound(); }
  }

  /** Names of the instances whose engines died, in their order. */
  get deaths(): string[] {
    return this.#dead.map(({ name }) => name);
  }

  /** Milliseconds after which it looks again, where all of these have a suspect; 0 where it shall go now. */
  waitMs(instances: readonly Instance[], random: number): number {
    const isAlone = instances.length === 0 || instances.some((one) => one.suspects.now === 0);
    if (!this.#isApart || isAlone) return 0;
    return this.stepsBackMs(random);
  }

  /** Another was faster: milliseconds after which it looks again. */
  stepsBackMs(random: number): number {
    const waitMs = Math.max(this.#holdMs, LOOK_MS * (0.5 + random));
    this.#holdMs = 0;
    this.#patienceMs -= waitMs;
    return waitMs;
  }

  /** The request goes there; false where another suspect was faster, and it had better look again. */
  comes({ instance }: Lease): boolean {
    if (this.#isCleared) return true;
    this.locked(() => {
      if (instance.suspects.now > 0 && this.#isApart) return;
      this.#trial = new Trial(instance);
    });
    const trial = this.#trial;
    if (trial === null) return false;
    const trialMs = Math.max(LEAST_TRIAL_MS, TRIAL_SHARE * this.#soonestMs + ALIKE_MS);
    this.#trialEnd = setTimeout(() => trial.end(), trialMs);
    return true;
  }

  /** It waits at no instance any more. */
  left(): void {
    clearTimeout(this.#trialEnd);
    this.#trial?.end();
    this.#trial = null;
  }

  get #isApart(): boolean {
    return this.#patienceMs > 0 && !this.#isCleared;
  }

  /** It is known what killed the engine that it was at. */
  get #isCleared(): boolean {
    const last = this.#dead.at(-1);
    return last !== undefined && last.killerFoundAt >= this.#diedAt && !this.isProved;
  }
}

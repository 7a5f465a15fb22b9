// What one request has met so far: who was tried, who failed it and how, and who is not to be asked again.

import { emptyList } from "../http/memory.ts";
import type { Instance } from "../pool/instance.ts";
import { type Failure, timesAsked } from "./failure.ts";
import type { Failed } from "./refusal.ts";

/** As often as there are instances a request is given to one of them: once each, and once more on the pool. */
const ROUNDS = 2;
/** One instance is given it so often at most: in both rounds, and once more when it is back. */
const MOST_OF_ONE = ROUNDS + 1;

export class Met {
  readonly failures: Failed[] = emptyList();
  /** Few, and made for each request: a list costs less than a Set. */
  #tried: Instance[] = emptyList();
  /** The wait would be as long as the first one. null for none. */
  #tooSlow: Instance[] | null = null;
  /** They failed after a long silence, or sent garbage. null for none. */
  #hopeless: Instance[] | null = null;
  /** They do not know the path. null for none. */
  #lackPath: Instance[] | null = null;
  /** How often instances were really given the request, and failed. */
  #asked = 0;
  /** Somebody was asked, whoever may be asked again since. */
  hasBegun = false;

  tries(instance: Instance): void {
    this.hasBegun = true;
    if (!this.#tried.includes(instance)) this.#tried.push(instance);
  }

  hasTried(instance: Instance): boolean {
    return this.#tried.includes(instance);
  }

  get hasTriedAny(): boolean {
    return this.#tried.length > 0;
  }

  /** Not to be asked again for this request. */
  isTooSlow(instance: Instance): boolean {
    return this.#tooSlow !== null && this.#tooSlow.includes(instance);
  }

  /** Not to be asked again: a path that is not there is no passing failure. */
  lacksPath(instance: Instance): boolean {
    return this.#lackPath !== null && this.#lackPath.includes(instance);
  }

  /** Not to be asked again as long as a fallback waits. */
  isHopeless(instance: Instance): boolean {
    return this.#hopeless !== null && this.#hopeless.includes(instance);
  }

  /** The instance may be asked again, in another way. */
  forget(instance: Instance): void {
    this.#tried = this.#tried.filter((one) => one !== instance);
  }

  /** All but the last that was tried may be asked again, those excepted that were too slow. */
  forgetEarlier(): void {
    const last = this.#tried.at(-1);
    this.#tried = this.#tried.filter((one) => one === last || this.isTooSlow(one));
  }

  forgetAll(): void {
    this.#tried = [];
  }

  /** These may be asked once more, those excepted that answered nobody and still do not. */
  forgetThose(instances: readonly Instance[]): void {
    this.#tried = this.#tried.filter((one) => !instances.includes(one) || this.#isStillMute(one));
  }

  /** How often the instance was given the request. */
  failed(instance: Instance, failure: Failure): number {
    this.failures.push({ instance, failure });
    if (failure.kind === "timeout" && !failure.mute) (this.#tooSlow ??= []).push(instance);
    if (failure.lacksPath) (this.#lackPath ??= []).push(instance);
    const times = timesAsked(failure);
    this.#asked += times;
    return times;
  }

  gaveUpOn(instance: Instance): void {
    (this.#hopeless ??= []).push(instance);
  }

  /** The failure of the last attempt that failed. */
  get last(): Failed | undefined {
    return this.failures.at(-1);
  }

  /** An instance was really given the request, and failed. */
  get wasAsked(): boolean {
    return this.#asked > 0;
  }

  /** Whether so many instances have had it as often as it is given to so many. */
  isAskedEnough(instances: number): boolean {
    return this.#asked >= ROUNDS * instances;
  }

  /** Whoever has been lost over the request so often is lost because of it. */
  mayHaveItAgain({ name }: Instance): boolean {
    let lost = 0;
    for (const { instance, failure } of this.failures) {
      if (instance.name === name) lost += timesAsked(failure);
    }
    return lost < MOST_OF_ONE;
  }

  /** A reload has made them anew: `now` finds what has become of each. */
  goesOnWith(now: (before: readonly Instance[]) => Instance[]): void {
    this.#tried = now(this.#tried);
    if (this.#tooSlow !== null) this.#tooSlow = now(this.#tooSlow);
    if (this.#lackPath !== null) this.#lackPath = now(this.#lackPath);
    if (this.#hopeless !== null) this.#hopeless = now(this.#hopeless);
  }

  /** It was left since it answered nobody, and it still does not. */
  #isStillMute(one: Instance): boolean {
    return one.isMute &&
      this.failures.some(({ instance, failure }) => instance.name === one.name && failure.mute);
  }
}

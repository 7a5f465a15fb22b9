// The policies that new requests get. Those of the next snapshot are made off the way of requests, which go
// by the ones before until then.

import type { PolicyConfig } from "../config/policies.ts";
import { Policies } from "./policies.ts";
import type { AnswerRules } from "./answer/rules.ts";
import type { PolicyTrail } from "./trail.ts";
import type { Plan, Subject } from "./policy.ts";
import { isSame, type Soon } from "./rule_book.ts";
import type { PolicyServices } from "./services.ts";

export class PoliciesInForce {
  #policies: Policies;
  /** What is to be in force, once it is ready. */
  #next: Policies;
  #ready: Promise<void> = Promise.resolve();
  #reading = 0;

  /** `onTaken` is called just before policies are in force: what they need of others must be there then. */
  constructor(
    private readonly services: PolicyServices,
    private readonly onTaken: (configs: readonly PolicyConfig[], reading: number) => void =
      () => {},
  ) {
    this.#policies = this.#next = new Policies([], services);
  }

  /**
   * Takes the policies of a snapshot. Where some are in force already these stay until all that is asked
   * for is compiled; the first ones are in force at once, and requests wait for what they need of them.
   * `reading` is the snapshot's.
   */
  apply(configs: readonly PolicyConfig[], reading = 0): void {
    this.#reading = reading;
    if (isSame(configs, this.#next.configs)) {
      // A guard that did not work then may do so now.
      if (this.#policies === this.#next) this.onTaken(configs, reading);
      return;
    }
    // Of none nothing can be taken over, and none keep what was.
    const before = this.#policies.isEmpty || configs.length === 0 ? null : this.#policies;
    const next = this.#next = new Policies(configs, this.services, before);
    const asked = this.#policies.subjects;
    if (this.#policies.isEmpty || next.isEmpty) {
      this.#take(next);
      return;
    }
    const take = () => {
      if (this.#next === next) this.#take(next);
    };
    // What could not be compiled is tried again by the requests that need it, and fails them.
    this.#ready = next.prepare(asked).then(take, take);
  }

  /** Resolves once those that were taken last are in force. Never rejects. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  #take(next: Policies): void {
    this.onTaken(next.configs, this.#reading);
    this.#policies = next;
  }

  /** What the model that a request names is called here; null where that is its name. */
  renamed(subject: Subject): string | null {
    return this.#policies.renamed(subject);
  }

  get isEmpty(): boolean {
    return this.#policies.isEmpty;
  }

  /** What clients may know of what policies did: names and actions of those that are exposed. */
  told({ hits }: PolicyTrail): string {
    const told = hits.filter(({ name, mode }) => mode === "enforce" && this.#exposed.has(name))
      .map(({ name, action }) => `${name}=${action}`);
    return [...new Set(told)].join(", ");
  }

  get #exposed(): ReadonlySet<string> {
    return new Set(
      this.#policies.configs.flatMap(({ options }) =>
        "expose" in options && options.expose ? [options.name] : []
      ),
    );
  }

  /** What puts personal data back into an answer, where `trail` has placeholders for some; else null. */
  restoring(trail: PolicyTrail): AnswerRules | null {
    return this.#policies.restoring(trail);
  }

  /** null where nothing is in force for `subject`. */
  planFor(subject: Subject): Soon<Plan | null> {
    return this.#policies.planFor(subject);
  }
}

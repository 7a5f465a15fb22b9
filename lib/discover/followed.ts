// One discovery from its first question to its end: the source that asks, what of its answers counts, and
// what there is to say of it.

import type { DiscoveryConfig } from "../config/config.ts";
import type { Source } from "./source.ts";
import { openSource, type Surroundings } from "./open.ts";
import { MAX_TARGETS, placeOf, type Target } from "./target.ts";
import { Trusted, type TrustRules } from "./trusted.ts";

/** Name servers may answer with a part of what there is; the others tell everything. */
const MISSES: Readonly<Record<string, number>> = { dns: 3 };

const MOST_SAID = 100;

/** For those who look. */
export interface DiscoveryState {
  readonly name: string;
  readonly found: number;
  /** When the set last changed, and when an answer came last; milliseconds since 1970, null for never. */
  readonly changedAt: number | null;
  readonly answeredAt: number | null;
  /** Why there is no good answer now; null while there is. */
  readonly error: string | null;
  readonly errorSince: number | null;
  readonly errors: number;
}

export interface FollowedParts {
  surroundings: Surroundings;
  /** Another set counts. */
  onChange(targets: readonly Target[]): void;
  /** Something to tell people: it fails, it is well again, or odd things are left out. */
  onWord(level: "info" | "warning", message: string): void;
}

export class Followed {
  readonly #trusted = new Trusted(() => performance.now());
  readonly #source: Source;
  readonly #firstAnswer = Promise.withResolvers<void>();
  #config: DiscoveryConfig;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #changedAt: number | null = null;
  #answeredAt: number | null = null;
  #error: string | null = null;
  #errorSince: number | null = null;
  #errors = 0;
  readonly #said = new Set<string>();

  constructor(config: DiscoveryConfig, private readonly parts: FollowedParts) {
    this.#config = config;
    this.#source = openSource(config, parts.surroundings, {
      found: (targets) => this.#found(targets),
      failed: (message) => this.#failed(message),
    });
  }

  /** Resolves with the first answer, good or bad. */
  get firstAnswer(): Promise<void> {
    return this.#firstAnswer.promise;
  }

  /** Whether it asks so as `config` says; the rest of the options can change under it. */
  asksAs(config: DiscoveryConfig): boolean {
    return config.intervalS === this.#config.intervalS;
  }

  configure(config: DiscoveryConfig): void {
    this.#config = config;
    this.#wait();
  }

  get state(): DiscoveryState {
    return {
      name: this.#config.name,
      found: this.#trusted.targets.length,
      changedAt: this.#changedAt,
      answeredAt: this.#answeredAt,
      error: this.#error,
      errorSince: this.#errorSince,
      errors: this.#errors,
    };
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#source.close();
  }

  get #rules(): TrustRules {
    const { keepEmptyS, place } = this.#config;
    return { keepEmptyS, misses: MISSES[place.type] ?? 1 };
  }

  #found(answer: readonly Target[]): void {
    this.#answeredAt = Date.now();
    const usable = answer.filter((target) => this.#isUsable(target));
    if (usable.length > MAX_TARGETS) {
      this.#sayOnce(`more than ${MAX_TARGETS} instances; the first ${MAX_TARGETS} are taken`);
    }
    const isChanged = this.#trusted.take(usable, this.#rules);
    const kept = this.#trusted.targets.length;
    if (usable.length === 0 && kept > 0) {
      this.#note(`an answer without instances; the ${kept} of before stay`);
    } else this.#well();
    this.#wait();
    if (isChanged) this.#change();
    this.#firstAnswer.resolve();
  }

  #failed(message: string): void {
    this.#errors++;
    this.#note(message);
    this.#trusted.doubt();
    this.#wait();
    this.#firstAnswer.resolve();
  }

  #note(message: string): void {
    if (this.#error !== message) this.#say("warning", message);
    this.#error = message;
    this.#errorSince ??= Date.now();
  }

  #well(): void {
    if (this.#error !== null) this.#say("info", "answers again");
    this.#error = null;
    this.#errorSince = null;
  }

  #isUsable(target: Target): boolean {
    const place = placeOf(target, this.#config.scheme);
    if (typeof place !== "string") return true;
    const shown = `${target.host}:${target.port}`.slice(0, 100);
    this.#sayOnce(`${JSON.stringify(shown)} is left out: ${place}`);
    return false;
  }

  /** An answer without instances is believed at its time, also where no other answer comes. */
  #wait(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const at = this.#trusted.emptyAt(this.#rules);
    if (at === null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#trusted.recheck(this.#rules)) {
        this.#well();
        this.#change();
      } else this.#wait();
    }, Math.max(0, at - performance.now()));
    Deno.unrefTimer(Number(this.#timer));
  }

  #change(): void {
    this.#changedAt = Date.now();
    const { targets } = this.#trusted;
    this.#say("info", `${targets.length} instance${targets.length === 1 ? "" : "s"}`);
    this.parts.onChange(targets);
  }

  /** What is true of each answer is said with the first. */
  #sayOnce(message: string): void {
    if (this.#said.has(message)) return;
    if (this.#said.size === MOST_SAID) this.#said.clear();
    this.#said.add(message);
    this.#say("warning", message);
  }

  #say(level: "info" | "warning", message: string): void {
    this.parts.onWord(level, message);
  }
}

// The guards of a configuration. One whose options and code are the same lives on over reloads, with its
// breaker and its isolate; a plugin that does not work does not replace one that does.

import type { OptionsOf, PolicyConfig, PolicyOptions } from "../../config/policies.ts";
import type { Json } from "../../json/json.ts";
import { PluginGuard } from "../plugin/plugin_guard.ts";
import { plainScript } from "../../config/plugin_script.ts";
import { TrustedGuard } from "../plugin/trusted_guard.ts";
import { Breaker } from "./breaker.ts";
import { type Guard, isCode } from "./guard.ts";
import { Moderation } from "./moderation.ts";
import { formOf } from "./moderation_form.ts";
import { postJson } from "./post.ts";
import { Webhook } from "./webhook.ts";

export type GuardOptions = OptionsOf<"moderation"> | OptionsOf<"webhook"> | OptionsOf<"plugin">;

export interface GuardParts {
  /** The module whose isolates become plugins' (main.ts). */
  readonly module: string;
  /** Asks a model of this gateway's. Throws GuardFault. */
  askModel(model: string, body: Json, timeoutMs: number): Promise<unknown>;
  /** A plugin was not taken, or has failed. */
  onError(error: Error): void;
  /** The plugin of this policy has taken the place of one before, or works where it did not. */
  onWorks?(policy: string): void;
  /** Milliseconds of a clock that never goes back. */
  now?(): number;
}

interface Kept {
  /** Options and code. */
  readonly identity: string;
  readonly guard: Guard;
}

interface Refused {
  readonly identity: string;
  readonly at: number;
  /** What is said of it; "" before that is known. */
  readonly words: string;
  /** The reading of the configuration that asked for it. */
  readonly reading: number;
}

/**
 * What did not work is not tried again before this with the same code, unless the configuration was read
 * anew. Each snapshot asks for it, and an instance that comes or goes makes one.
 */
const TRY_AGAIN_MS = 60_000;

export function isGuard(options: PolicyOptions): options is GuardOptions {
  return options.type === "moderation" || options.type === "webhook" || options.type === "plugin";
}

/** What makes one policy fail at an address makes another fail there that differs in none of these. */
function breakerKey({ url, secret, timeout }: OptionsOf<"webhook">): string {
  return JSON.stringify([url, secret, timeout]);
}

export class Guards {
  readonly #kept = new Map<string, Kept>();
  /** What the configuration says: what is kept, or what is probed before it is. */
  readonly #wanted = new Map<string, Kept>();
  /** What was wanted and did not work, by name. */
  readonly #refused = new Map<string, Refused>();
  /** Identities that the configuration asks for, by name. */
  readonly #asked = new Map<string, string>();
  /** Plugins that are being tried. */
  readonly #probes = new Set<Promise<void>>();
  /** By whom is asked, and how: what one policy finds out spares the others that fail as it does. */
  #breakers = new Map<string, Breaker>();
  #reading = 0;

  constructor(private readonly parts: GuardParts) {}

  /** The next configuration. `reading`: another number where somebody had it read, the same where the fleet changed. */
  apply(policies: readonly PolicyConfig[], reading = this.#reading): void {
    this.#reading = reading;
    const names = new Set<string>();
    this.#breakers = new Map(
      policies.flatMap(({ options }): [string, Breaker][] =>
        options.type === "webhook"
          ? [[breakerKey(options), this.#breakers.get(breakerKey(options)) ?? new Breaker()]]
          : []
      ),
    );
    for (const { options, files } of policies) {
      if (!isGuard(options)) continue;
      names.add(options.name);
      const identity = JSON.stringify([options, files]);
      this.#asked.set(options.name, identity);
      const wanted = this.#wanted.get(options.name);
      if (wanted?.identity === identity) {
        this.#askAgain(options.name, wanted);
        continue;
      }
      const before = this.#kept.get(options.name);
      if (before?.identity === identity) {
        this.#wanted.set(options.name, before);
        this.#askAgain(options.name, before);
        continue;
      }
      if (this.#wasRefused(options.name, identity)) {
        if (before !== undefined) this.#wanted.set(options.name, before);
        continue;
      }
      const next = { identity, guard: this.#made(options, files) };
      this.#wanted.set(options.name, next);
      const { guard } = next;
      if (isCode(guard)) this.#keepOnceProbed(options.name, next, guard.probe());
      else this.#keep(options.name, next);
    }
    for (const name of this.#wanted.keys()) {
      if (names.has(name)) continue;
      this.#wanted.delete(name);
      this.#refused.delete(name);
      this.#kept.get(name)?.guard.close();
      this.#kept.delete(name);
    }
  }

  /** undefined for a name that has none. */
  get(name: string): Guard | undefined {
    return this.#kept.get(name)?.guard;
  }

  /** Once the plugins are loaded, or have failed to be. */
  async ready(): Promise<void> {
    for (const { guard } of this.#kept.values()) {
      if (isCode(guard)) await guard.loaded();
    }
  }

  /** What is said of plugins that are wanted and do not work, once all have been tried. Never rejects. */
  async tried(): Promise<string[]> {
    await Promise.all(this.#probes);
    return [...this.#refused].flatMap(([name, { identity, words }]) =>
      this.#asked.get(name) === identity ? [words] : []
    );
  }

  close(): void {
    for (const { guard } of [...this.#kept.values(), ...this.#wanted.values()]) guard.close();
    this.#kept.clear();
    this.#wanted.clear();
  }

  #made(options: GuardOptions, files: Readonly<Record<string, string>>): Guard {
    const timeoutMs = options.timeout * 1000;
    switch (options.type) {
      case "webhook":
        return new Webhook(
          { url: options.url, secret: options.secret, timeoutMs },
          this.#breakers.get(breakerKey(options)),
        );
      case "plugin": {
        const script = plainScript(files.file, options.file);
        return options.trusted
          ? new TrustedGuard(script, timeoutMs)
          : new PluginGuard({ module: this.parts.module, script, file: options.file, timeoutMs });
      }
      case "moderation":
        return this.#moderation(options, timeoutMs);
    }
  }

  #moderation(options: OptionsOf<"moderation">, timeoutMs: number): Guard {
    const { model, url, api_key: key, form, categories, controversial, action } = options;
    const rules = {
      model,
      form: form === "auto" ? formOf(url, model) : form,
      categories,
      strict: controversial === "reject",
      action,
      message: options.message ?? null,
    };
    const headers: Record<string, string> = key === undefined
      ? {}
      : { authorization: `Bearer ${key}` };
    return new Moderation(
      rules,
      (body) =>
        url === undefined
          ? this.parts.askModel(model, body, timeoutMs)
          : postJson(url, headers, JSON.stringify(body), timeoutMs),
    );
  }

  #wasRefused(name: string, identity: string): boolean {
    const refused = this.#refused.get(name);
    return refused?.identity === identity && refused.reading === this.#reading &&
      this.#now() - refused.at < TRY_AGAIN_MS;
  }

  /** One that is in force without working, for want of another: each call tries it, and a reload says how it is. */
  #askAgain(name: string, one: Kept): void {
    const refused = this.#refused.get(name);
    if (refused?.identity !== one.identity || refused.reading === this.#reading) return;
    const { guard } = one;
    if (isCode(guard)) this.#keepOnceProbed(name, one, guard.probe());
  }

  #now(): number {
    return this.parts.now?.() ?? performance.now();
  }

  /** Where none is in force, it is so at once: its policy says what a fault means. */
  #keepOnceProbed(name: string, next: Kept, probed: Promise<unknown>): void {
    const { identity, guard } = next;
    if (!this.#kept.has(name)) this.#kept.set(name, next);
    const isAlone = this.#kept.get(name) === next;
    // Snapshots that come meanwhile do not ask once more.
    const refused = this.#refused.get(name);
    const wasRefused = refused?.identity === identity;
    if (wasRefused) this.#refuse(name, identity, refused.words);
    const probe = probed.then(
      () => {
        if (this.#wanted.get(name) !== next) {
          if (!isAlone) guard.close();
          return;
        }
        this.#refused.delete(name);
        if (!isAlone) this.#keep(name, next);
        if (!isAlone || wasRefused) this.parts.onWorks?.(name);
      },
      (error) => {
        if (!isAlone) guard.close();
        // Something else is wanted by now.
        if (this.#wanted.get(name) !== next) return;
        const before = this.#kept.get(name);
        if (before !== undefined) this.#wanted.set(name, before);
        const reason = error instanceof Error ? error.message : String(error);
        const what = isAlone ? "does not work" : "does not work; the one before stays";
        const words = `plugin of policy \`${name}\` ${what}: ${reason}`;
        this.#refuse(name, identity, words);
        this.parts.onError(new Error(words));
      },
    ).finally(() => this.#probes.delete(probe));
    this.#probes.add(probe);
  }

  #refuse(name: string, identity: string, words: string): void {
    this.#refused.set(name, { identity, at: this.#now(), reading: this.#reading, words });
  }

  /** Calls that the old one is at are let end. */
  #keep(name: string, next: Kept): void {
    const before = this.#kept.get(name);
    this.#kept.set(name, next);
    if (before !== undefined) setTimeout(() => before.guard.close(), CLOSE_MS);
  }
}

/** Longer than any call of a plugin. */
const CLOSE_MS = 12_000;

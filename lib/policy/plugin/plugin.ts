// A plugin as its policy calls it: in an isolate of its own, within its time whatever it does. After an
// overrun it gets a new engine; after several in a minute it is out.

import { GuardFault } from "../guard/verdict.ts";
import type { PluginCall } from "./sandbox.ts";
import { type FromPlugin, isOverrun, type ToPlugin, WARDEN } from "./worker.ts";

/** Overruns within OVERRUN_MS after which a plugin is out for OUT_MS. */
const MOST_OVERRUNS = 5;
const OVERRUN_MS = 60_000;
const OUT_MS = 60_000;
/** Loading compiles half a megabyte of WebAssembly, also on a busy machine. */
const LOAD_MS = 30_000;
/** The hop to the isolate and back, beside the plugin's own time. */
const HOP_MS = 10;
/** How long calls wait for a plugin that is loaded anew. */
const RELOAD_MS = 5000;
/** Calls under way; one more fails at once. */
const MOST_WAITING = 64;
/** Longest question, in characters. */
const MAX_QUESTION_CHARS = 4 * 1024 * 1024;

export interface PluginParts {
  /** The module whose isolates become plugins' (main.ts). */
  readonly module: string;
  /** JavaScript, as of `plainScript`. */
  readonly script: string;
  readonly file: string;
  readonly timeoutMs: number;
  now?(): number;
}

interface Waiting {
  resolve(json: string): void;
  reject(fault: GuardFault): void;
}

export class Plugin {
  #isolate: Isolate | null = null;
  #overruns: number[] = [];
  #outUntil = -Infinity;
  #closed = false;
  readonly #now: () => number;

  constructor(private readonly parts: PluginParts) {
    this.#now = parts.now ?? (() => performance.now());
  }

  /** Whether it has overrun so often that it is not asked. */
  get isOut(): boolean {
    return this.#now() < this.#outUntil;
  }

  /** Loads it; the functions that it has. Throws GuardFault where it cannot be loaded. */
  async load(): Promise<readonly PluginCall[]> {
    return await this.#started().loaded;
  }

  /** What it answers to `question`. Throws GuardFault. */
  async call(call: PluginCall, question: unknown): Promise<unknown> {
    if (this.isOut) {
      throw new GuardFault("out", `out after ${MOST_OVERRUNS} overruns within a minute`);
    }
    const json = JSON.stringify(question);
    if (json.length > MAX_QUESTION_CHARS) {
      throw new GuardFault("too_large", `more than ${MAX_QUESTION_CHARS} characters to look at`);
    }
    const isolate = this.#started();
    await isolate.loaded;
    return JSON.parse(await isolate.call(call, json, this.parts.timeoutMs));
  }

  close(): void {
    this.#closed = true;
    this.#isolate?.end();
    this.#isolate = null;
  }

  #started(): Isolate {
    if (this.#closed) throw new GuardFault("out", "the plugin was closed");
    if (this.#isolate === null) {
      const isolate = this.#isolate = new Isolate(this.parts, () => this.#overran());
      // One that cannot be loaded now may be loaded the next time.
      isolate.loaded.catch(() => {
        if (this.#isolate === isolate) this.#isolate = null;
        isolate.end();
      });
    }
    return this.#isolate;
  }

  #overran(): void {
    const now = this.#now();
    this.#overruns = [...this.#overruns.filter((at) => now - at < OVERRUN_MS), now];
    if (this.#overruns.length >= MOST_OVERRUNS) {
      this.#overruns = [];
      this.#outUntil = now + OUT_MS;
    }
  }
}

/** One isolate with one sandbox, and the calls that wait for it. */
class Isolate {
  readonly loaded: Promise<readonly PluginCall[]>;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #begun = Promise.withResolvers<readonly PluginCall[]>();
  #lastId = 0;
  /** Calls that wait for the isolate or its answer. */
  #lining = 0;

  /** Resolved while calls can be taken; an overrun has it loaded anew. */
  #freed: PromiseWithResolvers<void> | null = Promise.withResolvers<void>();

  /** `onOverrun`: a call took more than it may; those in line behind it are merely late. */
  constructor(
    { module, script, file }: PluginParts,
    private readonly onOverrun: () => void,
  ) {
    this.loaded = this.#begun.promise;
    const late = setTimeout(() => this.#fail(`not loaded within ${LOAD_MS / 1000} s`), LOAD_MS);
    Deno.unrefTimer(late);
    this.loaded.finally(() => clearTimeout(late)).catch(() => {
      // Told to those who wait for it.
    });
    const worker = this.#worker = new Worker(module, { type: "module", name: WARDEN });
    worker.onmessage = ({ data }: MessageEvent<FromPlugin>) => this.#take(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(event.message);
    };
    this.#send({ kind: "load", module, script, file });
  }

  async call(call: PluginCall, json: string, timeoutMs: number): Promise<string> {
    if (this.#lining >= MOST_WAITING) {
      throw new GuardFault("busy", `${MOST_WAITING} calls wait for the plugin`);
    }
    this.#lining++;
    try {
      await this.#whenFree();
      return await this.#ask(call, json, timeoutMs);
    } finally {
      this.#lining--;
    }
  }

  /** Until it is loaded again after an overrun, which takes a moment, but not for long. */
  async #whenFree(): Promise<void> {
    if (this.#freed === null) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new GuardFault("busy", "it is being loaded anew")),
        RELOAD_MS,
      );
    });
    try {
      await Promise.race([this.#freed.promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #setBusy(): void {
    this.#freed ??= Promise.withResolvers<void>();
  }

  #setFree(): void {
    this.#freed?.resolve();
    this.#freed = null;
  }

  #ask(call: PluginCall, json: string, timeoutMs: number): Promise<string> {
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const late = setTimeout(() => {
      this.#setBusy();
      reject(new GuardFault("timeout", `no verdict within ${timeoutMs} ms`));
    }, timeoutMs + HOP_MS);
    this.#waiting.set(id, { resolve, reject });
    this.#send({ kind: "call", id, call, json, timeoutMs, until: Date.now() + timeoutMs });
    return promise.finally(() => {
      clearTimeout(late);
      this.#waiting.delete(id);
    });
  }

  end(): void {
    this.#worker.terminate();
    this.#fail("it was ended");
  }

  #send(message: ToPlugin): void {
    this.#worker.postMessage(message);
  }

  #take(message: FromPlugin): void {
    switch (message.kind) {
      case "loaded":
        this.#setFree();
        return this.#begun.resolve(message.calls);
      case "failed":
        return this.#begun.reject(new GuardFault("error", message.message));
      case "answer":
        this.#setFree();
        return this.#waiting.get(message.id)?.resolve(message.json);
      case "fault": {
        const { id, fault, message: words } = message;
        const reason = fault === "memory" ? "too_large" : fault;
        if (isOverrun(fault)) {
          this.#setBusy();
          this.onOverrun();
        } else this.#setFree();
        this.#waiting.get(id)?.reject(new GuardFault(reason, words));
      }
    }
  }

  #fail(message: string): void {
    const fault = new GuardFault("error", message);
    this.#begun.reject(fault);
    for (const { reject } of this.#waiting.values()) reject(fault);
  }
}

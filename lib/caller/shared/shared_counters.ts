// The counters that several gateways share, in a Redis or Valkey server: one script for each request, with
// the memory of this process beside it, which takes over while the server cannot be reached. What goes over
// the wire is in scripts.ts, the connection in store.ts.

import { type Enrolled, Roll } from "../../http/roll.ts";
import type { Counters, Level, Reservation, Reserved, Work } from "../counters.ts";
import { mostTokensOf, Scope } from "../scope.ts";
import type { SharedStore } from "./store.ts";
import {
  type Call,
  type Ended,
  type Keeping,
  levelsIn,
  numbersIn,
  shortagesIn,
  Wire,
} from "./wire.ts";

const KEEPING: Keeping = { slotMs: 30_000, noteMs: 90_000, overMs: 60_000 };
/** A slot is free after three times as long when its host died. */
const RENEW_MS = 10_000;
/** How many ends one call tells. */
const SETTLE_AT_ONCE = 64;
/** Ends that are still to be told, while the server is out. */
const MAX_UNTOLD = 20_000;
const MAX_TRIES = 10;
/** How many requests one call renews. */
const RENEW_AT_ONCE = 500;

export type WhenDown = "local" | "open" | "closed";

export interface SharedCountersParts {
  readonly store: SharedStore;
  readonly whenDown: WhenDown;
  /** Counters of this process: what runs here, and all limits while the server is out. */
  readonly local: Counters;
}

/** An end that the server has not confirmed. */
interface End extends Ended {
  /** How often it was told in vain. */
  tries: number;
}

/** What was reserved while the limits are shared. */
class SharedReservation implements Reservation, Enrolled {
  place = -1;

  constructor(
    readonly maker: SharedCounters,
    readonly work: Work,
    readonly levels: readonly Level[],
    /** The name that the server counts it by; null where it was not asked. */
    readonly id: string | null,
    /** What it holds in the memory of this process; null for nothing. */
    readonly mirrored: Reservation | null,
  ) {}

  get isLocal(): boolean {
    return this.id === null;
  }
}

export class SharedCounters implements Counters {
  readonly #prefix = crypto.randomUUID().slice(0, 13);
  #count = 0;
  /** Requests under way that the server counts. */
  readonly #held = new Roll<SharedReservation>();
  readonly #wire: Wire;
  #untold: End[] = [];
  #telling: Promise<void> | null = null;
  #hosts = 1;
  readonly #renewal: ReturnType<typeof setInterval>;
  /** Requests that the server is being asked for. */
  #asking = 0;
  /** Told once nothing is held any more; null where nobody waits for that. */
  #whenEmpty: (() => void) | null = null;

  constructor(private readonly parts: SharedCountersParts) {
    this.#wire = new Wire(parts.store, KEEPING);
    this.#renewal = setInterval(() => this.#renew(), RENEW_MS);
    Deno.unrefTimer(Number(this.#renewal));
  }

  async reserve(work: Work): Promise<Reserved> {
    const { store } = this.parts;
    if (!store.isUp) return await this.#without(work);
    this.#asking++;
    try {
      return await this.#reserve(work);
    } finally {
      this.#asking--;
      this.#tellEmpty();
    }
  }

  async #reserve(work: Work): Promise<Reserved> {
    const { store } = this.parts;
    const id = this.#idOf(work);
    let reply: number[];
    try {
      const call = this.#wire.reserve({ id, work });
      const isBeforeEnds = this.#untold.length > 0;
      reply = numbersIn(await store.run("reserve", ...call));
      if (reply[0] === 0 && isBeforeEnds) reply = await this.#reserveBehindEnds(call);
    } catch {
      // It may have been done: it is given back as soon as the server can be told.
      work.sharedName = null;
      this.#tell({ id, work, more: -work.tokens, tries: 0 });
      return await this.#without(work);
    }
    const [verdict, ...state] = reply;
    const levels = levelsIn(work.scopes, state);
    if (verdict === 0) return { kind: "short", shortages: shortagesIn(work, state), levels };
    const reservation = new SharedReservation(this, work, levels, id, await this.#mirror(work));
    this.#held.add(reservation);
    return { kind: "reserved", reservation };
  }

  /** What it is short of may have been given back here just before: that is told first, whatever is under way. */
  async #reserveBehindEnds(call: Call): Promise<number[]> {
    void this.#tellNext().then(() => this.#tellAll());
    return numbersIn(await this.parts.store.run("reserve", ...call));
  }

  settle(reservation: Reservation, tokens: number): void {
    // Its maker is asked, which makes no other.
    const ended = reservation as SharedReservation;
    const { id, work, mirrored, isLocal } = ended;
    if (mirrored !== null) this.parts.local.settle(mirrored, isLocal ? tokens : 0);
    this.#held.remove(ended);
    if (id !== null) this.#tell({ id, work, more: tokens - work.tokens, tries: 0 });
    this.#tellEmpty();
  }

  async look(scopes: readonly Scope[]): Promise<readonly Level[]> {
    const work: Work = { sharedName: null, scopes, requests: 0, tokens: 0, slot: false };
    try {
      const reply = await this.parts.store.run("look", ...this.#wire.reserve({ id: "look", work }));
      const [, ...state] = numbersIn(reply);
      return levelsIn(scopes, state);
    } catch {
      // What this process knows by itself is the next best.
      return await this.parts.local.look(this.#shares(scopes));
    }
  }

  async reset(scope: Scope): Promise<void> {
    await this.parts.local.reset(scope);
    const { store } = this.parts;
    // Whoever asked for it sees by a look whether it came to pass.
    await store.run("forget", [this.#wire.buckets(scope)], []).catch(() => {});
  }

  /** The server is back: what it was not told comes now. */
  returned(): void {
    this.#tellAll();
    this.#renew();
  }

  /** What was asked for before and is asked for again has the same name. */
  #idOf(work: Work): string {
    return work.sharedName ??= `${this.#prefix}-${(this.#count++).toString(36)}`;
  }

  /** Nobody reserves here any more. Resolves once what is held has ended, and the server was told. */
  async retire(): Promise<void> {
    const isEmpty = new Promise<void>((resolve) => this.#whenEmpty = resolve);
    this.#tellEmpty();
    await isEmpty;
    await this.close();
  }

  #tellEmpty(): void {
    if (this.#held.size === 0 && this.#asking === 0) this.#whenEmpty?.();
  }

  /** What is still to be told is told, as far as the server takes it. */
  async close(): Promise<void> {
    this.#whenEmpty?.();
    clearInterval(this.#renewal);
    await this.#tellAll();
  }

  /** The server cannot be asked. */
  async #without(work: Work): Promise<Reserved> {
    const { whenDown, local } = this.parts;
    if (whenDown === "closed") return { kind: "closed" };
    if (whenDown === "open") {
      const reservation = new SharedReservation(this, work, [], null, await this.#mirror(work));
      return { kind: "reserved", reservation };
    }
    const scopes = this.#shares(work.scopes);
    // What the limits allow is not refused for good by a part of them: the rest is settled at its end.
    const isAllowed = work.tokens <= mostTokensOf(work.scopes);
    const tokens = isAllowed ? Math.min(work.tokens, mostTokensOf(scopes)) : work.tokens;
    const share = { ...work, scopes, tokens };
    const answer = await local.reserve(share);
    if (answer.kind !== "reserved") return answer;
    const { levels } = answer.reservation;
    const reservation = new SharedReservation(this, work, levels, null, answer.reservation);
    return { kind: "reserved", reservation };
  }

  /** Counts it among what runs here, with no limit: the common counters have spoken. */
  async #mirror(work: Work): Promise<Reservation | null> {
    const scopes = work.scopes.filter((scope) => scope.holdsSlots)
      .map((scope) => this.#wire.unlimited(scope));
    const answer = await this.parts.local.reserve({ ...work, scopes, requests: 0, tokens: 0 });
    return answer.kind === "reserved" ? answer.reservation : null;
  }

  /** What this gateway may allow by itself: its part of each limit, one at least. */
  #shares(scopes: readonly Scope[]): Scope[] {
    const hosts = this.#hosts;
    if (hosts <= 1) return [...scopes];
    const part = (limit: number | null) =>
      limit === null ? null : Math.max(1, Math.floor(limit / hosts));
    return scopes.map(({ kind, name, rates, budgets }) =>
      new Scope(kind, name, {
        ...rates,
        requestsPerMinute: part(rates.requestsPerMinute),
        tokensPerMinute: part(rates.tokensPerMinute),
        concurrency: part(rates.concurrency),
      }, budgets)
    );
  }

  #tell(end: End): void {
    if (this.#untold.length >= MAX_UNTOLD) this.#untold.shift();
    this.#untold.push(end);
    this.#tellAll();
  }

  /** One after the other, in their order; what fails stays first, and waits until the server is back. */
  #tellAll(): Promise<void> {
    return this.#telling ??= this.#tellSome().finally(() => {
      this.#telling = null;
      // What came in between.
      if (this.#untold.length > 0 && this.parts.store.isUp) this.#tellAll();
    });
  }

  async #tellSome(): Promise<void> {
    while (this.#untold.length > 0 && this.parts.store.isUp) await this.#tellNext();
  }

  /** At once; one that was told in vain goes by itself, lest others fail for it again. */
  async #tellNext(): Promise<void> {
    const some = this.#untold.splice(0, SETTLE_AT_ONCE);
    const again = some.filter(({ tries }) => tries > 0).map((end) => [end]);
    const first = some.filter(({ tries }) => tries === 0);
    const failed = await Promise.all([first, ...again].map((ends) => this.#tellThese(ends)));
    this.#untold.unshift(...failed.flat());
  }

  /** Returns those that have to be told again. */
  async #tellThese(ends: readonly End[]): Promise<readonly End[]> {
    if (ends.length === 0) return [];
    try {
      await this.parts.store.run("settle", ...this.#wire.settle(ends));
      return [];
    } catch {
      // A server that answers, but never as it should, is not asked for ever.
      return ends.filter((end) => ++end.tries < MAX_TRIES);
    }
  }

  /** What runs here is good for another while; how many gateways there are is known by the way. */
  async #renew(): Promise<void> {
    const { store } = this.parts;
    if (!store.isUp) return;
    try {
      const hosts = await store.run("present", [store.name("hosts")], ["", 0]);
      this.#hosts = Math.max(1, Number(hosts));
      const all = [...this.#held.all];
      for (let at = 0; at < all.length; at += RENEW_AT_ONCE) {
        await this.#renewSome(all.slice(at, at + RENEW_AT_ONCE));
      }
    } catch {
      // The next renewal comes in time: a slot is good for three of them.
    }
  }

  async #renewSome(some: readonly SharedReservation[]): Promise<void> {
    // One that has ended meanwhile is not held again.
    const running = some.flatMap(({ place, id, work }) =>
      place < 0 || id === null ? [] : [{ id, work }]
    );
    if (running.length > 0) await this.parts.store.run("renew", ...this.#wire.renew(running));
  }
}

// Recorded traffic through the strategies, as the gateway would choose: the same routers and strategies, before
// simulated instances. What comes of it for caches, for conversations and for the load is said in one line each.

import { USUAL_WEIGHTS } from "../../../pool/balancing/prefix_aware.ts";
import { Router } from "../../../pool/balancing/router.ts";
import { strategies } from "../../../pool/balancing/strategies.ts";
import type { Candidate } from "../../../pool/balancing/strategy.ts";
import { RoutingMemory } from "../../../pool/load/routing_memory.ts";
import { hashOf } from "../../../pool/memory/hash_table.ts";
import { Layout } from "../../../pool/memory/layout.ts";
import { Workers } from "../../../pool/memory/worker_counts.ts";
import { Engine, type EngineSize } from "./engine.ts";
import type { Arrival } from "./traffic.ts";

/** What a strategy would have brought, or what was recorded. */
export interface Brought {
  readonly strategy: string;
  readonly requests: number;
  /** Share of the prompts' tokens that were cached; null where that was not recorded. */
  readonly hits: number | null;
  /** Requests that went on with a conversation, and those of them that came to another instance. */
  readonly turns: number;
  readonly moved: number;
  /** Requests of the busiest instance, as a multiple of the mean. */
  readonly spread: number;
  /** Seconds to the first token; null where they are not simulated. */
  readonly p50: number | null;
  readonly p90: number | null;
}

/** The clock of memories begins above zero, which stands for never. */
const START_MS = 1000;

type Simulated = Candidate & { inFlight: number };

class Fleet {
  clock = START_MS;
  readonly engines: Engine[];
  readonly candidates: Simulated[];
  readonly router: Router;

  constructor(names: readonly string[], size: EngineSize) {
    this.engines = names.map(() => new Engine(size));
    this.candidates = names.map((name, slot) => ({
      slot,
      address: hashOf(name),
      weight: 1,
      warmth: 1,
      inFlight: 0,
      turn: 0,
      lastPick: 0,
    }));
    const memory = memoryOf(names.length + 1);
    for (const { slot } of this.candidates) memory.setCapacity(slot, size.kvTokens);
    const model = { seed: { first: 0, second: 0 }, slot: names.length };
    this.router = new Router(memory, model, USUAL_WEIGHTS, () => this.clock);
  }
}

function memoryOf(slots: number): RoutingMemory {
  const build = (layout: Layout) => new RoutingMemory(layout, slots, new Workers(layout, 0));
  const measure = new Layout(null);
  build(measure);
  return build(new Layout(new SharedArrayBuffer(measure.bytes)));
}

/** One strategy over `arrivals` of one model, before instances of these names. */
export function replay(
  strategy: string,
  arrivals: readonly Arrival[],
  names: readonly string[],
  size: EngineSize,
): Brought {
  const fleet = new Fleet(names, size);
  const { looksAtPrompts, make } = strategies[strategy];
  const choose = make(fleet.router);
  const events = new Events();
  const tally = new Tally(names.length);
  const begin = arrivals[0]?.at ?? 0;
  for (const arrival of arrivals) {
    const now = START_MS + arrival.at - begin;
    events.until(now, (at) => fleet.clock = at);
    fleet.clock = now;
    const { chain } = arrival;
    const ask = {
      model: arrival.model,
      priority: 0,
      chain,
      answerTokens: 0,
      session: 0,
      rank: null,
    };
    const picked = choose(fleet.candidates, ask);
    const placement = looksAtPrompts ? fleet.router.place(picked.slot, chain) : null;
    picked.inFlight++;
    const { cached, firstAt } = fleet.engines[picked.slot].take(arrival, now);
    events.at(firstAt, () => {
      placement?.firstToken(fleet.clock);
      placement?.usage(arrival.tokens, cached);
    });
    events.at(firstAt + arrival.answerMs, () => {
      placement?.ended((body) => body());
      picked.inFlight--;
    });
    tally.add(arrival, picked.slot, cached, (firstAt - now) / 1000);
  }
  return tally.brought(strategy);
}

/** The same of what really happened, as far as it was recorded. */
export function recorded(arrivals: readonly Arrival[], names: readonly string[]): Brought {
  const tally = new Tally(names.length);
  for (const arrival of arrivals) {
    tally.add(arrival, names.indexOf(arrival.instance), arrival.cached, null);
  }
  return tally.brought("as recorded");
}

class Tally {
  #tokens = 0;
  #cached = 0;
  #isKnown = true;
  #turns = 0;
  #moved = 0;
  readonly #counts: number[];
  readonly #waits: number[] = [];
  /** Where the conversation up to an answer is. */
  readonly #places = new Map<number, number>();
  #requests = 0;

  constructor(instances: number) {
    this.#counts = Array(instances).fill(0);
  }

  /** `slot` is -1 for an instance that is none of them. */
  add(arrival: Arrival, slot: number, cached: number | null, waitS: number | null): void {
    this.#requests++;
    this.#tokens += arrival.tokens;
    if (cached === null) this.#isKnown = false;
    else this.#cached += cached;
    const place = arrival.before === 0 ? undefined : this.#places.get(arrival.before);
    if (place !== undefined) {
      this.#turns++;
      if (place !== slot) this.#moved++;
    }
    this.#places.set(arrival.after, slot);
    if (slot >= 0) this.#counts[slot]++;
    if (waitS !== null) this.#waits.push(waitS);
  }

  brought(strategy: string): Brought {
    const waits = this.#waits.sort((a, b) => a - b);
    const at = (share: number) =>
      waits.length === 0
        ? null
        : waits[Math.min(waits.length - 1, Math.floor(share * waits.length))];
    const mean = this.#requests / this.#counts.length;
    return {
      strategy,
      requests: this.#requests,
      hits: this.#isKnown && this.#tokens > 0 ? this.#cached / this.#tokens : null,
      turns: this.#turns,
      moved: this.#moved,
      spread: mean === 0 ? 0 : Math.max(...this.#counts) / mean,
      p50: at(0.5),
      p90: at(0.9),
    };
  }
}

interface Event {
  readonly at: number;
  readonly tell: () => void;
}

/** What is still to happen, the next first (a binary heap). */
class Events {
  readonly #heap: Event[] = [];

  at(at: number, tell: () => void): void {
    const heap = this.#heap;
    let place = heap.push({ at, tell }) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (heap[above].at <= heap[place].at) break;
      [heap[above], heap[place]] = [heap[place], heap[above]];
      place = above;
    }
  }

  /** Lets happen what is due by `now`. */
  until(now: number, tick: (at: number) => void): void {
    while (this.#heap.length > 0 && this.#heap[0].at <= now) {
      const { at, tell } = this.#next();
      tick(at);
      tell();
    }
  }

  #next(): Event {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let place = 0;;) {
      let least = place;
      for (const below of [2 * place + 1, 2 * place + 2]) {
        if (below < heap.length && heap[below].at < heap[least].at) least = below;
      }
      if (least === place) return first;
      [heap[least], heap[place]] = [heap[place], heap[least]];
      place = least;
    }
  }
}

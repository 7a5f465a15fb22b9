// The router over a few instances without a network: prompts by their text, a clock that the test turns.

import type { Decision, Place } from "../../lib/pool/balancing/decision.ts";
import { Router } from "../../lib/pool/balancing/router.ts";
import type { Placement } from "../../lib/pool/balancing/placement.ts";
import { type CostWeights, USUAL_WEIGHTS } from "../../lib/pool/balancing/prefix_aware.ts";
import { RoutingMemory } from "../../lib/pool/load/routing_memory.ts";
import { Layout } from "../../lib/pool/memory/layout.ts";
import { Workers } from "../../lib/pool/memory/worker_counts.ts";
import { type PromptChain, PromptHasher, UNKNOWN_PROMPT } from "../../lib/pool/prefix/chain.ts";

export const SEED = { first: 0, second: 0 };
/** Behind the slots of the instances. */
const MODEL_SLOT = 63;

const encoder = new TextEncoder();
const hasher = new PromptHasher();

/** The chain of a prompt that is `text` and nothing else. */
export function chainOf(text: string, salt = ""): PromptChain {
  const bytes = encoder.encode(text);
  return hasher.chain(bytes, { ...UNKNOWN_PROMPT, parts: [{ start: 0, end: bytes.length }], salt });
}

/** Text of so many bytes, another one for each `name`. */
export function words(name: string | number, bytes: number): string {
  return `word${name} `.repeat(Math.ceil(bytes / 6)).slice(0, bytes);
}

export interface Sizes {
  instances?: number;
  indexChunks?: number;
  capacity?: number;
}

function areas(layout: Layout, worker: number, { indexChunks, capacity }: Sizes): RoutingMemory {
  return new RoutingMemory(layout, 64, new Workers(layout, worker), indexChunks, capacity);
}

/** Memory of its own, or for another worker over that of the first. */
export function memoryOf(sizes: Sizes = {}, worker = 0, buffer?: SharedArrayBuffer) {
  const measure = new Layout(null);
  areas(measure, worker, sizes);
  const shared = buffer ?? new SharedArrayBuffer(measure.bytes);
  return { memory: areas(new Layout(shared), worker, sizes), shared };
}

/** A request under way. */
export interface Sent {
  slot: number;
  decision: Decision;
  placement: Placement;
}

export class RoutingStand {
  clock = 1000;
  readonly memory: RoutingMemory;
  readonly router: Router;
  readonly inFlight: number[];
  /** Slots that are not candidates. */
  readonly out = new Set<number>();
  readonly weights: number[];
  #picks = 0;
  readonly #lastPicks: number[];

  constructor(
    sizes: Sizes & { pins?: boolean } = {},
    costs: CostWeights = USUAL_WEIGHTS,
    memory?: RoutingMemory,
  ) {
    const count = sizes.instances ?? 8;
    this.memory = memory ?? memoryOf(sizes).memory;
    this.router = new Router(
      this.memory,
      { seed: SEED, slot: MODEL_SLOT },
      costs,
      () => this.clock,
      undefined,
      sizes.pins,
    );
    this.inFlight = Array(count).fill(0);
    this.weights = Array(count).fill(1);
    this.#lastPicks = Array(count).fill(0);
  }

  places(): Place[] {
    return [...this.inFlight.keys()].filter((slot) => !this.out.has(slot)).map((slot) => ({
      slot,
      address: (slot + 1) * 7_919_000_003,
      weight: this.weights[slot],
      warmth: 1,
      inFlight: this.inFlight[slot],
      lastPick: this.#lastPicks[slot],
    }));
  }

  send(chain: PromptChain, session = 0): Sent {
    const places = this.places();
    const decision = this.router.decide(places, chain, session);
    return this.#sent(places[decision.index].slot, decision, chain, session);
  }

  /** Sends it to that instance, whatever the router would do. */
  sendTo(slot: number, chain: PromptChain): Sent {
    return this.#sent(slot, this.router.decide(this.places(), chain), chain);
  }

  #sent(slot: number, decision: Decision, chain: PromptChain, session = 0): Sent {
    const placement = this.router.place(slot, chain, session);
    this.inFlight[slot]++;
    this.#lastPicks[slot] = ++this.#picks;
    return { slot, decision, placement };
  }

  /** Its answer begins after `seconds`, and ends. */
  answer(sent: Sent, seconds = 0.05): void {
    this.clock += seconds * 1000;
    sent.placement.firstToken(this.clock);
    this.end(sent);
  }

  end({ slot, placement }: Sent): void {
    placement.ended((body) => body());
    this.inFlight[slot]--;
  }

  /** Sends it and has it answered; the slot of the instance. */
  once(chain: PromptChain, session = 0): number {
    const sent = this.send(chain, session);
    this.answer(sent);
    return sent.slot;
  }
}

/** What the metrics of an instance with nothing to do say. */
export const IDLE = {
  running: 0,
  waiting: 0,
  kvUsage: 0,
  queries: null,
  hits: null,
  kvTokens: null,
  cachesPrefixes: null,
  isAsleep: false,
  startedAt: null,
};

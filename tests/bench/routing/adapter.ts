// The product's router as a policy of the routing simulation (simulation/). Its instances are slots, its chains of hashes are prompts of four bytes a token.

import type { Place } from "../../../lib/pool/balancing/decision.ts";
import { Router } from "../../../lib/pool/balancing/router.ts";
import type { Placement } from "../../../lib/pool/balancing/placement.ts";
import { USUAL_WEIGHTS } from "../../../lib/pool/balancing/prefix_aware.ts";
import { Layout } from "../../../lib/pool/memory/layout.ts";
import { Workers } from "../../../lib/pool/memory/worker_counts.ts";
import type { Told } from "../../../lib/pool/load/told.ts";
import { NOTE } from "../../../lib/pool/prefix/outbox.ts";
import { RoutingMemory } from "../../../lib/pool/load/routing_memory.ts";
import { PromptChain } from "../../../lib/pool/prefix/chain.ts";

/** What the simulation says of a request, and of an attempt. */
interface Request {
  chain: number[];
  /** Tokens. */
  prompt: number;
  ours?: PromptChain;
}
interface Job {
  req: Request;
  hit?: number;
  placement?: Placement;
}
interface Metrics {
  running: number;
  waiting: number;
  kv: number;
  queries: number;
  hits: number;
}

/** A gateway's numbers as the simulation passes them on to the others. */
export interface Peer {
  inFlight: Float64Array;
  pending: Float64Array;
  waits: Float64Array;
}

interface Options {
  strategy?: "prefix_aware" | "bounded_hash";
  gossip?: number;
  /** Other gateways are there, and silent. */
  late?: boolean;
  capacity?: number;
  /** Answers say how much of their prompt was cached. */
  feedback?: boolean;
}

const BYTES_PER_TOKEN = 4;
/** 10,000 blocks of 16 tokens in chunks of 128. */
const CAPACITY = 1250;
const SEED = { first: 0, second: 0 };
/** Clock of the memory before the simulation begins: zero stands for never. */
const START_MS = 1000;

/** Hashes that the last gateway to send a chain tells of it. */
const TOLD = new WeakMap<number[], Int32Array>();

function memoryOf(instances: number, capacity: number): RoutingMemory {
  const build = (layout: Layout) =>
    new RoutingMemory(layout, instances + 1, new Workers(layout, 0), 2 ** 15, capacity);
  const measure = new Layout(null);
  build(measure);
  return build(new Layout(new SharedArrayBuffer(measure.bytes)));
}

/** Tokens in a chain whose length is known; the simulation counts those of a prompt's last chunk, too. */
function chainOf(request: Request): PromptChain {
  request.ours ??= new PromptChain(
    Int32Array.from(request.chain.flatMap((hash) => [hash, Math.imul(hash, 0x9e3779b1)])),
    request.prompt * BYTES_PER_TOKEN,
  );
  return request.ours;
}

export class Gateway {
  readonly inFlight: Float64Array;
  readonly o: Options;
  peers: Peer[] = [];
  unanswered = 0;
  readonly #memory: RoutingMemory;
  readonly #router: Router;
  readonly #addresses: readonly number[];
  #now = START_MS;
  /** The simulation notes here what other gateways sent: of the chain what its gateway tells of it. */
  readonly index = {
    add: (instance: number, chain: number[]) =>
      this.#memory.index.told(instance, TOLD.get(chain) ?? new Int32Array(0)),
  };

  constructor(private readonly instances: number, options: Options) {
    this.o = options;
    this.inFlight = new Float64Array(instances);
    this.#memory = memoryOf(instances, CAPACITY * (options.capacity ?? 1));
    if (options.gossip !== undefined) this.#memory.outbox.open();
    const sum = (slot: number, of: (peer: Peer) => Float64Array) =>
      this.peers.reduce((total, peer) => total + of(peer)[slot], 0);
    const told: Told = {
      underWay: (slot) => sum(slot, (peer) => peer.inFlight),
      unanswered: (slot) => sum(slot, (peer) => peer.waits),
      pending: (slot) => sum(slot, (peer) => peer.pending),
      isLate: options.late ?? false,
    };
    this.#router = new Router(
      this.#memory,
      { seed: SEED, slot: instances },
      USUAL_WEIGHTS,
      () => this.#now,
      told,
    );
    this.#addresses = Array.from({ length: instances }, (_, slot) => (slot + 1) * 7919 * 2 ** 20);
  }

  #row(of: (slot: number) => number): Float64Array {
    return Float64Array.from({ length: this.instances }, (_, slot) => of(slot));
  }
  get pending(): Float64Array {
    return this.#row((slot) => this.#memory.own.pending(slot));
  }
  get waits(): Float64Array {
    return this.#row((slot) => this.#memory.own.unanswered(slot));
  }

  pick(request: Request, candidates: readonly number[], now: number): number {
    this.#now = START_MS + now * 1000;
    const places = candidates.map((slot): Place => ({
      slot,
      address: this.#addresses[slot],
      weight: 1,
      warmth: 1,
      inFlight: this.inFlight[slot],
      lastPick: 0,
    }));
    const chain = chainOf(request);
    const index = this.o.strategy === "bounded_hash"
      ? this.#router.home(places, chain)
      : this.#router.decide(places, chain).index;
    return candidates[index];
  }

  sent(instance: number, job: Job): void {
    this.inFlight[instance]++;
    job.placement = this.#router.place(instance, chainOf(job.req));
    const notes = this.#memory.outbox.take();
    TOLD.set(job.req.chain, notes.filter((_, at) => at % NOTE > 0));
  }

  first(_instance: number, job: Job, now: number): void {
    job.placement!.firstToken(START_MS + now * 1000);
    if (this.o.feedback) job.placement!.usage(job.req.prompt, job.hit ?? 0);
  }

  ended(instance: number, job: Job): void {
    this.inFlight[instance]--;
    job.placement!.ended((body) => body());
  }

  scraped(instance: number, { running, waiting, kv, queries, hits }: Metrics): void {
    this.#memory.scraped(
      instance,
      {
        running,
        waiting,
        kvUsage: kv,
        queries,
        hits,
        kvTokens: null,
        cachesPrefixes: null,
        isAsleep: false,
        startedAt: null,
      },
      this.inFlight[instance],
      this.#now,
    );
  }

  restarted(instance: number): void {
    this.#memory.restarted(instance);
  }
}

type Make = (instances: number, random: unknown, options: Options) => Gateway;
const policy = (about: string, own: Options, scrape?: number) => ({
  make:
    ((instances, _random, options) =>
      new Gateway(instances, { ...options, ...own })) satisfies Make,
  ...(scrape === undefined ? {} : { scrape }),
  about,
});

export type Policy = ReturnType<typeof policy>;

/** By name. */
export const policies = {
  ours: policy("prefix_aware, own traffic only", {}),
  "ours+m": policy("the same with metrics every second", {}, 1),
  "ours+f": policy("the same with what answers say of their cached tokens", { feedback: true }),
  "ours+notes": policy("the same where gateways tell each other every 0.1 s", { gossip: 0.1 }),
  "ours+silent": policy("the same where they are silent", { late: true }),
  bounded: policy("bounded_hash", { strategy: "bounded_hash" }),
};

// A fleet of simulated engines behind one gateway or several, for two minutes of traffic: discrete events, no
// network, the same figures for the same seed. What a gateway decides by is its own (adapter.ts).

import type { Gateway, Peer, Policy } from "../adapter.ts";
import { Agenda } from "./agenda.ts";
import { Engine, type EngineSize, USUAL_SIZE } from "./engine.ts";
import { Segments } from "./prompts.ts";
import { type Random, randomOf } from "./random.ts";
import type { Workload } from "./workloads.ts";

/** Requests arrive for so long; those of the beginning are not counted, since caches are cold. */
export const SECONDS = 120;
const WARM_S = 30;
/** What has no answer so long after the last arrival never will. */
const PATIENCE_S = 240;

export interface Arrival {
  readonly segments: readonly number[];
  /** Tokens of the answer. */
  readonly out: number;
  readonly answer?: number;
  /** It has been answered. */
  readonly then?: () => void;
}

export interface Options {
  readonly seed: number;
  readonly gateways?: number;
  readonly engine?: Partial<EngineSize>;
  /** Requests from this second on are counted. */
  readonly fromS?: number;
  /** When the gateway is killed and started anew, with nothing but its configuration. */
  readonly killedAtS?: number;
}

/** TTFT in seconds; share of prompt tokens found cached; requests at the busiest engine against the mean. */
export interface Figures {
  readonly p90: number;
  readonly p99: number;
  readonly hits: number;
  readonly imbalance: number;
  readonly unanswered: number;
}

/** A request that an instance has been asked for. */
interface Asked {
  readonly chain: number[];
  readonly prompt: number;
  readonly arrival: Arrival;
  readonly at: number;
  firstAt: number | null;
  /** Tokens of the prompt. */
  cached: number;
  isDone: boolean;
}

export class Fleet {
  readonly agenda = new Agenda();
  readonly segments = new Segments();
  readonly engines: readonly Engine[];
  #gateways: readonly Gateway[];
  readonly #newGateway: () => Gateway;
  readonly #assign: Random;
  /** What each has sent since it told the others. */
  readonly #news = new Map<Gateway, [engine: number, chain: number[]][]>();
  readonly #asked: Asked[] = [];
  /** The busiest against the mean, each second. */
  readonly #imbalances: number[] = [];

  constructor(workload: Workload, policy: Policy, private readonly options: Options) {
    const { seed, gateways = 1, engine, killedAtS } = options;
    const size = { ...USUAL_SIZE, ...engine };
    this.engines = Array.from(
      { length: 8 },
      (_, at) => new Engine(this.agenda, this.segments, size, workload.speeds?.[at] ?? 1),
    );
    this.#newGateway = () => policy.make(this.engines.length, null, {});
    this.#gateways = Array.from({ length: gateways }, this.#newGateway);
    this.#assign = randomOf(seed * 31 + 7);
    for (const gateway of this.#gateways) this.#news.set(gateway, []);
    workload.run(this, randomOf(seed * 15_485_863 + 3));
    const { gossip } = this.#gateways[0].o;
    if (gateways > 1 && gossip !== undefined) this.#tellEach(gossip);
    this.agenda.at(1, () => this.#sample());
    if (killedAtS !== undefined) this.agenda.at(killedAtS, () => this.#startAnew());
  }

  /** Requests under way are answered, as if their clients had asked again at once. */
  #startAnew(): void {
    this.#gateways = this.#gateways.map(this.#newGateway);
    for (const gateway of this.#gateways) this.#news.set(gateway, []);
  }

  #sample(): void {
    const { agenda } = this;
    const loads = this.engines.filter(({ accepts, isUp }) => accepts && isUp)
      .map(({ running, waiting }) => running + waiting);
    const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
    if (agenda.now > WARM_S && mean > 0) this.#imbalances.push(Math.max(...loads) / mean);
    if (agenda.now < SECONDS) agenda.at(agenda.now + 1, () => this.#sample());
  }

  /** Every `intervalS` each gateway tells the others what it has sent where, and how busy it keeps them. */
  #tellEach(intervalS: number): void {
    const all = this.#gateways;
    const others = (gateway: Gateway) => all.filter((one) => one !== gateway);
    const round = () => {
      for (const gateway of all) {
        const news = this.#news.get(gateway)!.splice(0);
        for (const other of others(gateway)) {
          for (const [engine, chain] of news) other.index.add(engine, chain);
        }
      }
      const loads = new Map(all.map((gateway) => [gateway, loadOf(gateway)]));
      for (const gateway of all) gateway.peers = others(gateway).map((one) => loads.get(one)!);
      if (this.agenda.now < SECONDS + PATIENCE_S) {
        this.agenda.at(this.agenda.now + intervalS, round);
      }
    };
    this.agenda.at(intervalS, round);
  }

  /** No new requests go there. */
  leave(engine: number): void {
    this.engines[engine].accepts = false;
  }

  /** It is there again, and empty. */
  comeBack(engine: number): void {
    this.engines[engine].restart();
    this.engines[engine].accepts = this.engines[engine].isUp = true;
    for (const gateway of this.#gateways) gateway.restarted(engine);
  }

  /** It loses everything, and is back after so many seconds. */
  crash(engine: number, seconds: number): void {
    const one = this.engines[engine];
    one.isUp = one.accepts = false;
    one.restart();
    for (const gateway of this.#gateways) gateway.restarted(engine);
    this.agenda.at(this.agenda.now + seconds, () => one.isUp = one.accepts = true);
  }

  arrive(arrival: Arrival): void {
    const { segments } = arrival;
    const asked: Asked = {
      chain: this.segments.chain(segments),
      prompt: this.segments.sum(segments),
      arrival,
      at: this.agenda.now,
      firstAt: null,
      cached: 0,
      isDone: false,
    };
    this.#asked.push(asked);
    const count = this.#gateways.length;
    this.#send(asked, this.#gateways[count > 1 ? Math.floor(this.#assign() * count) : 0], -1);
  }

  #send(asked: Asked, gateway: Gateway, lostBy: number): void {
    const able = this.engines.map((_, at) => at);
    const open = able.filter((at) =>
      this.engines[at].accepts && this.engines[at].isUp && at !== lostBy
    );
    const places = open.length > 0 ? open : able.filter((at) => this.engines[at].isUp);
    const engine = gateway.pick(asked, places, this.agenda.now);
    const job = { req: asked };
    const { segments, out, answer = 0, then } = asked.arrival;
    const done = () => {
      gateway.ended(engine, job);
      asked.isDone = true;
      then?.();
    };
    gateway.sent(engine, job);
    this.#news.get(gateway)!.push([engine, asked.chain]);
    this.engines[engine].submit({
      segments,
      prompt: asked.prompt,
      out,
      answer,
      first: (cached) => {
        gateway.first(engine, job, this.agenda.now);
        if (asked.firstAt !== null) return;
        asked.firstAt = this.agenda.now;
        asked.cached = cached;
      },
      finished: done,
      failed: done,
      lost: () => {
        gateway.ended(engine, job);
        this.#send(asked, gateway, engine);
      },
    });
  }

  run(): Figures {
    const { agenda, options: { fromS = WARM_S } } = this;
    const asked = this.#asked;
    const isOver = () => agenda.now > SECONDS && asked.every(({ isDone }) => isDone);
    for (let steps = 0; !agenda.isEmpty && agenda.now < SECONDS + PATIENCE_S; steps++) {
      agenda.step();
      if (steps % 1024 === 0 && isOver()) break;
    }
    const counted = asked.filter(({ at, firstAt, isDone }) =>
      isDone && firstAt !== null && at >= fromS && at <= SECONDS
    );
    const unanswered = asked.filter(({ isDone }) => !isDone).length;
    const waits = counted.map(({ at, firstAt }) => firstAt! - at)
      .concat(Array(unanswered).fill(SECONDS + PATIENCE_S)).sort((a, b) => a - b);
    const share = (p: number) => waits[Math.min(waits.length - 1, Math.floor(p * waits.length))];
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    return {
      p90: share(0.9),
      p99: share(0.99),
      hits: sum(counted.map(({ cached }) => cached)) / sum(counted.map(({ prompt }) => prompt)),
      imbalance: sum(this.#imbalances) / this.#imbalances.length,
      unanswered,
    };
  }
}

/** As it is now. */
const loadOf = ({ inFlight, pending, waits }: Gateway): Peer => ({
  inFlight: inFlight.slice(),
  pending,
  waits,
});

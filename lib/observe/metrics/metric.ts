// What one metric is: its name, its words and how its values are read at the moment of a scrape.

import type { Tally } from "../tally.ts";
import type { Histogram } from "../histogram.ts";
import type { RoutingLook } from "./routing_look.ts";
import type { PeersLook } from "./peers_look.ts";
import type { SharedStateLook } from "./shared_state_look.ts";
import type { UsageLook } from "./usage_look.ts";

export type Labels = Readonly<Record<string, string>>;

/** One line. `name` is missing where it is the metric's own. */
export interface Sample {
  labels: Labels;
  value: number;
  name?: string;
}

export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "summary";
  /** One sentence without a full stop. */
  readonly help: string;
  readonly labels: readonly string[];
  read(look: Look): Iterable<Sample>;
}

/** An instance at the moment of a scrape. */
export interface InstanceLook {
  readonly name: string;
  readonly state: string;
  readonly inFlight: number;
  /** null for any number. */
  readonly maxConcurrency: number | null;
}

/** A model at the moment of a scrape. */
export interface ModelLook {
  readonly name: string;
  /** Requests that wait for room. */
  readonly waiting: number;
  /** Instances that may get requests, fallbacks included. */
  readonly available: number;
}

/** Everything that a scrape sees. */
export interface Look {
  readonly tally: Tally;
  readonly instances: readonly InstanceLook[];
  readonly models: readonly ModelLook[];
  readonly records: RecordsLook;
  /** null where nobody has a key. */
  readonly usage: UsageLook | null;
  /** null where no limits are shared with other gateways. */
  readonly sharedState: SharedStateLook | null;
  readonly discovery: readonly DiscoveryLook[];
  /** null where the strategy does not look at prompts. */
  readonly routing: RoutingLook | null;
  /** null where there are no other gateways. */
  readonly peers: PeersLook | null;
  readonly process: ProcessLook;
  readonly version: string;
  readonly workers: number;
  /** Of these, how many have more streams than they keep up with. */
  readonly saturatedWorkers: number;
  /** Clients that were turned away before their requests were read, by why. */
  readonly turnedAway: Readonly<Record<string, number>>;
  /** Request bodies: what is held of them, and how many were refused for want of room. */
  readonly bodies: { readonly heldBytes: number; readonly refused: number };
}

/** A discovery at the moment of a scrape. */
export interface DiscoveryLook {
  readonly name: string;
  /** Instances that it has found. */
  readonly found: number;
  /** null while its answers are good. */
  readonly error: string | null;
  /** Questions without a good answer. */
  readonly errors: number;
  /** When its last answer came, in milliseconds since 1970. */
  readonly answeredAt: number | null;
}

export interface RecordsLook {
  readonly written: number;
  readonly dropped: number;
  readonly failed: number;
  readonly queued: number;
  /** Free bytes where records are written; null when that is not known. */
  readonly diskFreeBytes: number | null;
}

export interface ProcessLook {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  /** null where the system does not tell. */
  readonly openFiles: number | null;
}

/** The lines of one histogram: cumulative buckets, sum and count. */
export function* histogramSamples(
  name: string,
  labels: Labels,
  { bounds, counts, sum, count }: Histogram,
): Generator<Sample> {
  let below = 0;
  for (let index = 0; index < bounds.length; index++) {
    below += counts[index];
    yield {
      name: `${name}_bucket`,
      labels: { le: String(bounds[index]), ...labels },
      value: below,
    };
  }
  yield { name: `${name}_bucket`, labels: { le: "+Inf", ...labels }, value: count };
  yield* summarySamples(name, labels, { sum, count });
}

/** Sum and count alone: a summary without quantiles, which gives means. */
export function* summarySamples(
  name: string,
  labels: Labels,
  { sum, count }: { sum: number; count: number },
): Generator<Sample> {
  yield { name: `${name}_sum`, labels, value: sum };
  yield { name: `${name}_count`, labels, value: count };
}

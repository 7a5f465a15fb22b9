// What an autoscaler asks of a model's instances, in one number each. A pure sum of numbers; how they are
// exported is left to observe/.

/** One instance that takes requests. */
export interface Loaded {
  /** Prompt tokens that it has still to compute. */
  readonly backlog: number;
  /** Prompt tokens that it computes in a second. */
  readonly speed: number;
  /** Share of its KV cache that requests hold; null where it does not say. */
  readonly kvUsage: number | null;
  /** Requests under way there. */
  readonly requests: number;
  /** Requests that it takes at once; null for no bound. */
  readonly slots: number | null;
}

export interface Demand {
  /** Seconds until what waits has been computed. */
  readonly backlogS: number;
  /** 0 for idle, 1 for as much as they can take, above it more waits than they should have. */
  readonly saturation: number;
  readonly instances: number;
  /** As many would be used to WANTED_SATURATION; at least one. */
  readonly wanted: number;
}

/** A backlog of so many seconds is as much as a model should have. */
const FULL_BACKLOG_S = 2;
const WANTED_SATURATION = 0.7;

/** Demand for a model that these instances serve, of which `waiting` requests are with nobody yet. */
export function demandFor(instances: readonly Loaded[], waiting: number): Demand {
  const sum = (of: (instance: Loaded) => number) =>
    instances.reduce((total, instance) => total + of(instance), 0);
  const speed = sum((instance) => instance.speed);
  const backlogS = speed === 0 ? 0 : sum((instance) => instance.backlog) / speed;
  const bounded = instances.filter((instance) => instance.slots !== null);
  const slots = bounded.reduce((total, { slots }) => total + slots!, 0);
  const requests = bounded.reduce((total, { requests }) => total + requests, waiting);
  const usages = instances.flatMap(({ kvUsage }) => kvUsage ?? []);
  const saturation = Math.max(
    0,
    usages.length === 0 ? 0 : usages.reduce((a, b) => a + b) / usages.length,
    slots === 0 ? 0 : requests / slots,
    backlogS / FULL_BACKLOG_S,
  );
  const count = Math.max(1, instances.length);
  // Where nobody is left one is wanted as soon as somebody waits, and one is kept.
  const wanted = Math.max(1, Math.ceil(count * saturation / WANTED_SATURATION));
  return { backlogS, saturation, instances: instances.length, wanted };
}

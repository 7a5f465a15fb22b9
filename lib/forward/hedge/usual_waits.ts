// How long a first event, or a whole answer, is usually waited for, by model and size: what is far beyond it is
// silence that means something. Each isolate learns from its own answers.

import { byModels, type Roster } from "../../pool/roster.ts";

/** Waits are learned apart for sizes that differ by more than this factor. */
const STEP = 2;
const SMALLEST_BYTES = 1024;
const SIZES = 12;
/** Before so many have come, nothing is known of a size. */
const ENOUGH = 20;
const NEWEST = 0.05;

/** Models that nobody serves now are remembered, so many: an instance that is started anew was away. */
const MODELS_AWAY = 64;

/** Milliseconds that are borne before anything is known, and at least. */
export interface Patience {
  readonly unknownMs: number;
  readonly leastMs: number;
}

/** How far beyond the usual wait is far: so many times the mean, so many mean deviations above it. */
const TIMES = 3;
const DEVIATIONS = 6;

interface Size {
  count: number;
  mean: number;
  /** Mean of the differences to the mean. */
  deviation: number;
}

export class UsualWaits {
  readonly #models: Map<string, Size[]>;

  constructor(roster: Roster, private readonly patience: Patience) {
    this.#models = roster.remember(byModels, MODELS_AWAY);
  }

  /** What was waited for came after so many milliseconds; `bytes`: how much was asked, or asked for. */
  came(model: string, bytes: number, ms: number): void {
    const size = this.#sizes(model)[sizeOf(bytes)];
    size.count++;
    const share = Math.max(NEWEST, 1 / size.count);
    size.deviation += (Math.abs(ms - size.mean) - size.deviation) * share;
    size.mean += (ms - size.mean) * share;
  }

  /** Milliseconds after which silence is far beyond what is usual. */
  limitMs(model: string, bytes: number): number {
    const sizes = this.#sizes(model);
    const at = sizeOf(bytes);
    const { unknownMs } = this.patience;
    // What is larger takes longer: its limit is no less than that of a smaller one.
    for (let size = at; size < SIZES; size++) {
      if (sizes[size].count >= ENOUGH) return this.#limitOf(sizes[size]);
    }
    for (let size = at - 1; size >= 0; size--) {
      if (sizes[size].count >= ENOUGH) {
        return Math.max(unknownMs, this.#limitOf(sizes[size])) * STEP ** (at - size - 1);
      }
    }
    return unknownMs;
  }

  #limitOf({ mean, deviation }: Size): number {
    return Math.max(this.patience.leastMs, TIMES * mean, mean + DEVIATIONS * deviation);
  }

  #sizes(model: string): Size[] {
    let sizes = this.#models.get(model);
    if (sizes === undefined) {
      sizes = Array.from({ length: SIZES }, () => ({ count: 0, mean: 0, deviation: 0 }));
      this.#models.set(model, sizes);
    }
    return sizes;
  }
}

function sizeOf(bytes: number): number {
  const steps = Math.ceil(Math.log2(Math.max(1, bytes / SMALLEST_BYTES)));
  return Math.min(SIZES - 1, steps);
}

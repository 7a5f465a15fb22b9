// Numbers by chance that are the same for the same seed.

export type Random = () => number;

/** Between 0 and 1 (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A sequence of its own, begun by the next number of another one. */
export const branch = (random: Random): Random => randomOf(random() * 2 ** 32);

/** Time to the next of independent events that come every `mean` seconds. */
export const exponential = (random: Random, mean: number) => -Math.log(1 - random()) * mean;

/** A whole number, at least 8, evenly within `spread` around `mean`. */
export const around = (random: Random, [mean, spread]: readonly [number, number]) =>
  Math.max(8, Math.round(mean + (random() * 2 - 1) * spread));

/** A whole number from 16 to `most`, half of them below `median`. */
export function logNormal(random: Random, median: number, sigma: number, most: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.max(16, Math.min(most, Math.round(median * Math.exp(sigma * normal))));
}

// Rendezvous hashing: every gateway orders the instances alike for one beginning of a prompt, without a
// word to each other, and whatever instance comes or goes moves nothing but its own.

/** The prefix that two prompts must share to have one home, in chunks. */
export const HOME_CHUNKS = 8;

/** Rank of an instance (by what stands for its address) for a prefix: 0 to 1, the least is its home. */
export function rank(prefix: number, address: number): number {
  const low = address | 0;
  const high = (address / 2 ** 32) | 0;
  return (mixed(mixed(prefix ^ low) ^ high) >>> 0) / 2 ** 32;
}

function mixed(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

// The index in a file, so that a gateway that is started anew knows what the instances hold. A file of
// another version, one that is damaged and one that is too old are as good as none.

import type { RoutingMemory } from "../load/routing_memory.ts";
import { STAMP_BITS } from "./ages.ts";
import type { IndexEntry, Owner } from "./prefix_index.ts";

const FORMAT = "simple-ai-gateway prefix index 2";
/** Caches have moved on after so long. */
const MAX_AGE_MS = 10 * 60 * 1000;
/** Words of an entry: two of the hash, four owners. */
const ENTRY = 6;
const AGES = 2 ** STAMP_BITS - 1;

/** An instance that the index may speak of. */
export interface Indexed {
  readonly slot: number;
  /** A number that stands for its address. */
  readonly address: number;
}

interface Header {
  format: string;
  savedAt: number;
  checksum: number;
  /** In the order in which the entries number them. */
  instances: { address: number; queries: number; startedAt: number }[];
}

/** The index as it is now; `now`: the time of day in milliseconds. Under the pool's lock. */
export function savedIndex(
  memory: RoutingMemory,
  instances: readonly Indexed[],
  now: number,
): Uint8Array {
  const numbers = new Map(instances.map(({ slot }, index) => [slot, index + 1]));
  const words: number[] = [];
  for (const { first, second, owners } of memory.index.entries()) {
    const places = owners.filter(({ slot }) => numbers.has(slot))
      .map(({ slot, age }) => (numbers.get(slot)! << STAMP_BITS) | age);
    if (places.length > 0) {
      words.push(first, second, ...places, ...Array(4 - places.length).fill(0));
    }
  }
  const payload = new Uint8Array(4 * words.length);
  const view = new DataView(payload.buffer);
  words.forEach((word, index) => view.setInt32(4 * index, word, true));
  const header: Header = {
    format: FORMAT,
    savedAt: now,
    checksum: checksum(payload),
    instances: instances.map(({ slot, address }) => ({ address, ...memory.seen.identity(slot) })),
  };
  const line = new TextEncoder().encode(`${JSON.stringify(header)}\n`);
  const bytes = new Uint8Array(line.length + payload.length);
  bytes.set(line);
  bytes.set(payload, line.length);
  return bytes;
}

/**
 * Takes a saved index over for those of `instances` that are in it. Returns null, or why it was not taken.
 * An instance that was started anew meanwhile is forgotten at its first scrape. Under the pool's lock.
 */
export function restoreIndex(
  memory: RoutingMemory,
  instances: readonly Indexed[],
  bytes: Uint8Array,
  now: number,
): string | null {
  const end = bytes.indexOf(10);
  const header = end < 0 ? null : headerOf(bytes.subarray(0, end));
  if (header === null) return "it is no index of this version";
  if (!(Math.abs(now - header.savedAt) <= MAX_AGE_MS)) return "it is older than ten minutes";
  const payload = bytes.subarray(end + 1);
  if (payload.length % (4 * ENTRY) !== 0 || checksum(payload) !== header.checksum) {
    return "it is damaged";
  }
  const slots = header.instances.map(({ address }) =>
    instances.find((instance) => instance.address === address)?.slot ?? -1
  );
  header.instances.forEach((saved, index) => {
    if (slots[index] >= 0) memory.seen.remember(slots[index], saved);
  });
  for (const entry of entriesOf(payload, slots)) memory.index.restore(entry);
  return null;
}

function headerOf(line: Uint8Array): Header | null {
  let header: Header | null;
  try {
    header = JSON.parse(new TextDecoder().decode(line));
  } catch {
    // Anything may stand in a file; what is no header is the caller's to report.
    return null;
  }
  const isWhole = header?.format === FORMAT && Array.isArray(header.instances) &&
    header.instances.every((saved) =>
      [saved?.address, saved?.queries, saved?.startedAt].every(Number.isFinite)
    );
  return isWhole ? header : null;
}

function* entriesOf(payload: Uint8Array, slots: readonly number[]): Generator<IndexEntry> {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  for (let at = 0; at < payload.length; at += 4 * ENTRY) {
    const owners: Owner[] = [];
    for (let place = at + 8; place < at + 4 * ENTRY; place += 4) {
      const word = view.getUint32(place, true);
      const slot = slots[(word >>> STAMP_BITS) - 1] ?? -1;
      if (slot >= 0) owners.push({ slot, age: word & AGES });
    }
    yield { first: view.getInt32(at, true), second: view.getInt32(at + 4, true), owners };
  }
}

/** FNV-1a over words. */
function checksum(payload: Uint8Array): number {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  let sum = 0x811c9dc5;
  for (let at = 0; at + 4 <= payload.length; at += 4) {
    sum = Math.imul(sum ^ view.getInt32(at, true), 0x01000193);
  }
  return sum >>> 0;
}

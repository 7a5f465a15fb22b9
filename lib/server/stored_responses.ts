// Which instance keeps which stored response: /v1/responses keeps its state in one process, so later
// requests that refer to it must go there. Known to all workers from the moment that one writes it down.

import type { SharedState } from "../pool/shared_state.ts";

/** A response may stand at any of so many places; where all are taken, one in turn gives way. */
const WAYS = 8;

export class StoredResponses {
  constructor(private readonly shared: SharedState) {}

  /** Remembers where the response is whose body or first event begins with `bytes`, if it has an id. */
  noteIn(bytes: Uint8Array, slot: number): void {
    const responseId = responseIdIn(bytes);
    if (responseId !== null) this.note(responseId, slot);
  }

  note(responseId: string, slot: number): void {
    const { storedIds, storedSlots } = this.shared;
    const id = numberOf(responseId);
    const first = this.#firstPlace(id);
    let place = first + this.shared.nextTicket() % WAYS;
    for (let other = first; other < first + WAYS; other++) {
      if (storedIds[other] === id || storedIds[other] === 0) {
        place = other;
        break;
      }
    }
    storedIds[place] = 0;
    storedSlots[place] = slot;
    storedIds[place] = id;
  }

  /** Slot of the instance, or null when it is not known (any more). */
  find(responseId: string): number | null {
    const { storedIds, storedSlots } = this.shared;
    const id = numberOf(responseId);
    const first = this.#firstPlace(id);
    for (let place = first; place < first + WAYS; place++) {
      if (storedIds[place] === id) return storedSlots[place];
    }
    return null;
  }

  #firstPlace(id: number): number {
    return id % (this.shared.storedIds.length / WAYS) * WAYS;
  }
}

/** 53 bits of a text (two lanes of FNV-1a), never 0: two ids that share them are not met in practice. */
function numberOf(text: string): number {
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code ^ (low >>> 13), 0x85ebca6b);
  }
  return ((high >>> 11) * 2 ** 32 + (low >>> 0)) || 1;
}

/** The id of a response, from the beginning of its body or first event. */
export function responseIdIn(bytes: Uint8Array): string | null {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 4096));
  return /"id"\s*:\s*"(resp_[A-Za-z0-9_-]{1,190})"/.exec(text)?.[1] ?? null;
}

// Which instance keeps which stored response: /v1/responses keeps its state in one process, so later
// requests that refer to it must go there. Known to all workers from the moment that one writes it down.

import type { Instance } from "../pool/instance.ts";
import type { SharedState } from "../pool/shared_state.ts";

export class StoredResponses {
  constructor(private readonly shared: SharedState) {}

  /** Remembers where the response is whose body or first event begins with `bytes`, if it has an id. */
  noteIn(bytes: Uint8Array, instance: Instance): void {
    const responseId = responseIdIn(bytes);
    if (responseId !== null) this.note(responseId, instance);
  }

  note(responseId: string, instance: Instance): void {
    this.shared.locked(() => this.shared.stored.note(responseId, instance.addressKey));
  }

  /** The one of `instances` that keeps it, or null when that is not known (any more). */
  find(responseId: string, instances: readonly Instance[]): Instance | null {
    const key = this.shared.locked(() => this.shared.stored.keeperOf(responseId));
    return instances.find((instance) => instance.addressKey === key) ?? null;
  }
}

/** The id of a response, from the beginning of its body or first event. */
export function responseIdIn(bytes: Uint8Array): string | null {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 4096));
  return /"id"\s*:\s*"(resp_[A-Za-z0-9_-]{1,190})"/.exec(text)?.[1] ?? null;
}

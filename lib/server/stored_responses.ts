// Which instance keeps which stored response: /v1/responses keeps its state in one process, so later
// requests that refer to it must go there.

const MAX_KNOWN = 10_000;

export class StoredResponses {
  /** Insertion order is age. */
  readonly #instances = new Map<string, string>();

  /** Remembers where a response was made. */
  note(responseId: string, instance: string): void {
    this.#instances.delete(responseId);
    this.#instances.set(responseId, instance);
    if (this.#instances.size > MAX_KNOWN) {
      const oldest = this.#instances.keys().next().value;
      if (oldest !== undefined) this.#instances.delete(oldest);
    }
  }

  /** Name of the instance, or null when it is not known here. */
  find(responseId: string): string | null {
    return this.#instances.get(responseId) ?? null;
  }
}

/** The id of a response, from the beginning of its body or first event. */
export function responseIdIn(bytes: Uint8Array): string | null {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 4096));
  return /"id"\s*:\s*"(resp_[A-Za-z0-9_-]{1,190})"/.exec(text)?.[1] ?? null;
}

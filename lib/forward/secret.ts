// Keeps the gateway's own key for an instance out of whatever the instance says: it is quoted to clients,
// in logs and in alerts.

import { latin1Text, putLatin1 } from "../http/latin1.ts";
import type { HeaderList } from "../http/message.ts";

const STRUCK = "***";
/** A shorter key ("empty", "none") is a word like any other. */
const LEAST_CHARS = 8;

export class Secret {
  readonly #key: string | null;

  constructor(key: string | null) {
    this.#key = key === null || key.length < LEAST_CHARS ? null : key;
  }

  text(text: string): string {
    return this.#key === null ? text : text.replaceAll(this.#key, STRUCK);
  }

  /** The same bytes where the key is not in them. */
  bytes(bytes: Uint8Array): Uint8Array {
    if (this.#key === null) return bytes;
    const text = latin1Text(bytes, 0, bytes.length);
    if (!text.includes(this.#key)) return bytes;
    const struck = text.replaceAll(this.#key, STRUCK);
    const result = new Uint8Array(struck.length);
    putLatin1(result, 0, struck);
    return result;
  }

  headers(fields: HeaderList): HeaderList {
    const key = this.#key;
    if (key === null || fields.every(([, value]) => !value.includes(key))) return fields;
    return fields.map(([name, value]) => [name, value.replaceAll(key, STRUCK)] as const);
  }
}

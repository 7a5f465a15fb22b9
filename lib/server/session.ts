// To which conversation a request belongs, as its client says: in a header or a field of the body. What it is
// good for is left to the router (pool/balancing/).

import type { SessionConfig } from "../config/routing.ts";
import { header, type HeaderList } from "../http/message.ts";
import { hashOf } from "../pool/memory/hash_table.ts";

/** A longer name is none, nor is one with control characters. */
// deno-lint-ignore no-control-regex -- they are what is refused
const NAME = /^[^\x00-\x1f\x7f]{1,256}$/;

/** The name that `value` is; null where it is none. */
function nameIn(value: unknown): string | null {
  return typeof value === "string" && NAME.test(value) ? value : null;
}

/** The first of the body's fields that names a session; null where none does. */
export function sessionInBody(
  { body }: SessionConfig,
  value: (field: string) => unknown,
): string | null {
  for (const field of body) {
    const name = nameIn(value(field));
    if (name !== null) return name;
  }
  return null;
}

/**
 * A number that stands for the session, 0 for none: a header's goes before the body's. Of two callers (`owner`)
 * or models those of one name have nothing to do with each other.
 */
export function sessionOf(
  { headers }: SessionConfig,
  sent: HeaderList,
  inBody: string | null,
  owner: number,
  model: string,
): number {
  for (const field of headers) {
    const name = nameIn(header(sent, field));
    if (name !== null) return hashOf(`${owner}\n${model}\n${name}`);
  }
  return inBody === null ? 0 : hashOf(`${owner}\n${model}\n${inBody}`);
}

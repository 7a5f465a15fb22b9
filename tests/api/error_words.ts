// Error texts as instances send them, and what must be read from one.

import assert from "node:assert/strict";
import type { InstanceError } from "../../lib/api/error.ts";

export const body = (error: unknown) => JSON.stringify({ error });
export const vllm = (code: number, type: string, message: string, param: string | null = null) =>
  body({ message, type, param, code });

export function holds(found: InstanceError, expected: Partial<InstanceError>) {
  for (const [name, value] of Object.entries(expected)) {
    assert.deepEqual(found[name as keyof InstanceError], value, `${name}: ${found.message}`);
  }
}

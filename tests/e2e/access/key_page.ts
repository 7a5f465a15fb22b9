// What a key hears of itself.

import assert from "node:assert/strict";
import type { GatewayProcess } from "../../support/processes.ts";
import { waitFor } from "../../support/wait.ts";
import { bearer, type TestKey } from "./keyed.ts";

export interface KeyPage {
  in_flight: number;
  limits: { scope: string; limit: string; allowed: number; remaining: number }[];
  usage: Record<"day" | "total", Record<string, number>>;
}

export async function pageOf(gateway: GatewayProcess, { key }: TestKey): Promise<KeyPage> {
  const response = await fetch(`${gateway.url}/v1/key`, bearer(key));
  assert.equal(response.status, 200);
  return await response.json();
}

/** The page of a key as soon as it is so. What ends without an answer of its own is told of a moment later. */
export async function pageWhen(
  gateway: GatewayProcess,
  key: TestKey,
  what: string,
  holds: (page: KeyPage) => boolean,
): Promise<KeyPage> {
  let page: KeyPage | null = null;
  await waitFor(
    async () => holds(page = await pageOf(gateway, key)),
    () => `${what}: ${JSON.stringify(page)}`,
  );
  return page!;
}

/** What is left of a limit. */
export async function leftOf(
  gateway: GatewayProcess,
  key: TestKey,
  limit: string,
): Promise<number> {
  const { limits } = await pageOf(gateway, key);
  return limits.find((one) => one.limit === limit)!.remaining;
}

// The one way in which a connection to the server that gateways share is opened, and opened again. What is
// asked there, and what becomes of it while the server is out, is left to who asks.

import type { Redis, RedisOptions } from "iovalkey";
import type { SharedStateConfig } from "../config/access.ts";

export const CONNECT_MS = 2000;
const LONGEST_PAUSE_MS = 1000;

/** Nothing waits in a line for a server that is out: what is asked meanwhile fails. `more` goes before. */
export async function openRedis(
  { url }: SharedStateConfig,
  more: RedisOptions = {},
): Promise<Redis> {
  const { Redis } = await import("iovalkey");
  return new Redis(url.replace(/^valkey/, "redis"), {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_MS,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), LONGEST_PAUSE_MS),
    // After a failover the address leads to another server, and only who comes anew is led there.
    reconnectOnError: isReadOnly,
    ...more,
  });
}

/** It was the master once. Servers before Redis 7 say so in the middle of what they say of a script. */
export function isReadOnly({ message }: Error): boolean {
  return message.startsWith("READONLY") || message.includes("-READONLY ");
}

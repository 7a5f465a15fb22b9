// Requests to the process as a whole (metrics, dashboard), as server, workers and pages share them.
// Everything in a request can be cloned, so that a worker can hand it on.

import type { HeaderList } from "./message.ts";

/** Where a request would go, and where the last ones went. */
export const EXPLAIN = "/admin/explain";
export const DECISIONS = "/admin/decisions";
/** Notes of other gateways. */
export const PEERS = "/admin/peers";

const PATHS = new Set(["/metrics", "/dashboard", EXPLAIN, DECISIONS, PEERS]);

/** Whether a path is one of the process as a whole: who is refused there is no client of a model. */
export function isAdminPath(path: string): boolean {
  return PATHS.has(path) || path.startsWith("/dashboard/");
}

export interface AdminRequest {
  method: string;
  /** Path and query; the path is /, /metrics, one of those above, /dashboard or below it. */
  target: string;
  headers: HeaderList;
  body: Uint8Array;
  /** Whether it brought the token of the configuration, for notes that of peers: only then may it change anything. */
  trusted: boolean;
}

export interface AdminReply {
  status: number;
  headers: HeaderList;
  /**
   * An iterable body is a stream. Its iterator is returned when the client leaves; that must settle a
   * `next` under way, which an async generator's `return` does not.
   */
  body: Uint8Array | AsyncIterable<Uint8Array>;
}

/**
 * Answers one such request; may it be asked at all has been decided before. `asker` is aborted when who asked leaves:
 * the handler may then reject with its reason.
 */
export type AdminHandler = (request: AdminRequest, asker: AbortSignal) => Promise<AdminReply>;

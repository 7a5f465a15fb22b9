// Requests that were proved to kill engines (suspicion.ts), in all workers: the same one, sent again by a client
// that knows no x-should-retry, is given to nobody for a while.

import type { Fleet } from "../pool/fleet.ts";
import { hashOf } from "../pool/memory/hash_table.ts";
import { type NoAnswer, refusedForGood } from "./refusal.ts";
import type { ForwardRequest } from "./request.ts";

/** Long enough for a loop to be noticed, and short enough to try the mended engine. */
const REMEMBERED_MS = 10 * 60 * 1000;

type Asked = Pick<ForwardRequest, "path" | "body">;

const latin1 = new TextDecoder("latin1");

export class Killers {
  constructor(private readonly fleet: Fleet) {}

  /** It has killed engines. */
  note(request: Asked): void {
    const { shared } = this.fleet;
    const key = keyOf(request);
    shared.locked(() => shared.killers.note(key, request.body.length, this.fleet.now()));
  }

  /** Why it is given to nobody; null for one that has killed nothing of late. */
  refusal(request: Asked): NoAnswer | null {
    const { shared: { killers } } = this.fleet;
    const sinceMs = this.fleet.now() - REMEMBERED_MS;
    if (!killers.hasLength(request.body.length, sinceMs)) return null;
    if (!killers.has(keyOf(request), sinceMs)) return null;
    return refusedForGood(
      "Engines died while they had this request, less than ten minutes ago: it is given to no instance",
    );
  }
}

/** The same bytes for the same path; who asks does not matter. */
function keyOf({ path, body }: Asked): number {
  return hashOf(`${path}\n${latin1.decode(body)}`);
}

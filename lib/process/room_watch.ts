// Says that there is no room for all that was found or listed: once, until there is again.

import { MAX_PLACES } from "../config/room.ts";
import { logger } from "../observe/log.ts";
import type { Bulletin } from "./bulletin.ts";
import type { Reloadable, Snapshots } from "./snapshots.ts";

/** So many are named. */
const MOST_NAMED = 5;

export class RoomWatch implements Reloadable {
  #isSaid = false;

  constructor(
    private readonly snapshots: Snapshots,
    private readonly bulletin: Pick<Bulletin, "note">,
  ) {
    snapshots.join(this);
  }

  apply(): void {
    const { leftOut } = this.snapshots;
    const wasSaid = this.#isSaid;
    this.#isSaid = leftOut.length > 0;
    if (wasSaid || !this.#isSaid) return;
    const more = leftOut.length > MOST_NAMED ? ", …" : "";
    const message = `there is room for ${MAX_PLACES} instances and models; ` +
      `left out of what was found or listed: ${leftOut.slice(0, MOST_NAMED).join(", ")}${more} ` +
      `(${leftOut.length})`;
    logger.warning("{message}", { message });
    this.bulletin.note("discovery_failed", "configuration", message);
  }
}

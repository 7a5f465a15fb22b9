// Looks after what lacks room in shared memory: says once that something was left out of what was found or
// listed, and has it taken in when those that were gone from the configuration have ended their requests.

import { MAX_PLACES } from "../../config/room.ts";
import { logger } from "../../observe/log.ts";
import type { Bulletin } from "../alerts/bulletin.ts";
import type { Reloadable, Snapshots } from "../snapshots.ts";

/** So many are named. */
const MOST_NAMED = 5;
const LOOK_MS = 1000;

export class RoomWatch implements Reloadable {
  #isSaid = false;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(
    private readonly snapshots: Snapshots,
    private readonly bulletin: Pick<Bulletin, "note">,
    private readonly lookMs = LOOK_MS,
  ) {
    snapshots.join(this);
  }

  apply(): void {
    if (!this.snapshots.lacksRoom) this.close();
    else this.#timer ??= setInterval(() => this.snapshots.takeIn(), this.lookMs);
    this.#say();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #say(): void {
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

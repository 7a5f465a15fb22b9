// What people may do to the running process through the dashboard, told to those who look.

import type { ActionResult, ReloadReport } from "../dashboard/source.ts";
import { logger } from "../observe/log.ts";
import type { Bulletin } from "./bulletin.ts";
import type { Reload } from "./reload.ts";
import type { Snapshots } from "./snapshots.ts";

export class Actions {
  constructor(
    private readonly snapshots: Snapshots,
    private readonly reloading: Reload,
    private readonly bulletin: Bulletin,
  ) {}

  drain(name: string): ActionResult {
    const result = this.snapshots.drain(name);
    if (result.ok) {
      logger.warning("{name} is drained until the next reload", { name });
      this.bulletin.note("drain", name, "gets no new requests until the next reload");
    }
    return result;
  }

  undrain(name: string): ActionResult {
    const result = this.snapshots.undrain(name);
    if (result.ok) {
      logger.warning("{name} is no longer drained", { name });
      this.bulletin.note("undrain", name, "gets requests again");
    }
    return result;
  }

  /** Resolves when the file has been read and taken or refused. */
  reload(): Promise<ReloadReport> {
    return this.reloading.now();
  }
}

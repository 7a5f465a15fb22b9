// What people may do to the running process through the dashboard, told to those who look.

import type { Moved } from "../../forward/moving.ts";
import type { Reception } from "../../caller/reception.ts";
import type { Period } from "../../config/access.ts";
import type { ScopeKind } from "../../caller/scope.ts";
import type { ActionResult, ReloadReport } from "../../dashboard/source.ts";
import { logger } from "../../observe/log.ts";
import type { Accounts } from "../callers/accounts.ts";
import type { Bulletin } from "../alerts/bulletin.ts";
import type { Conditions } from "../fleet/conditions.ts";
import type { Reload } from "../reload.ts";
import type { Snapshots } from "../snapshots.ts";

export class Actions {
  constructor(
    private readonly snapshots: Snapshots,
    private readonly reloading: Reload,
    private readonly bulletin: Bulletin,
    private readonly reception: Reception,
    private readonly accounts: Accounts,
    private readonly moveFrom: (instance: string) => Promise<Moved>,
    private readonly conditions: Conditions,
  ) {}

  drain(name: string): ActionResult {
    const result = this.snapshots.drain(name);
    if (result.ok) {
      this.conditions.drained(name);
      logger.warning("{name} is drained until it is undrained", { name });
      this.bulletin.note("drain", name, "gets no new requests until it is undrained");
      this.#tellNote("drain", name, result.note);
    }
    return result;
  }

  /** Has what runs at a drained instance go on elsewhere, as far as that can be. */
  async move(name: string): Promise<Moved> {
    const moved = await this.moveFrom(name);
    const message = movedInWords(moved);
    logger.warning("{name}: {message}", { name, message });
    this.bulletin.note("drain", name, message);
    return moved;
  }

  undrain(name: string): ActionResult {
    const result = this.snapshots.undrain(name);
    if (result.ok) {
      this.conditions.undrained(name);
      logger.warning("{name} is no longer drained", { name });
      if (result.note === undefined) this.bulletin.note("undrain", name, "gets requests again");
      this.#tellNote("undrain", name, result.note);
    }
    return result;
  }

  #tellNote(kind: "drain" | "undrain", name: string, note: string | undefined): void {
    if (note === undefined) return;
    logger.warning("{name}: {note}", { name, note });
    this.bulletin.note(kind, name, note);
  }

  /** The limits of a key, a group or a model are as if nothing had been used. */
  async resetLimits(kind: ScopeKind, name: string): Promise<ActionResult> {
    if (!await this.reception.reset(kind, name)) {
      return { ok: false, status: 404, message: `no ${kind} with limits is named ${name}` };
    }
    logger.warning("the limits of {kind} {name} are full again", { kind, name });
    this.bulletin.note("limits_reset", `${kind} ${name}`, "its limits are full again");
    return { ok: true };
  }

  /** A budget of a key or a group begins anew, before its period does. */
  async resetBudget(kind: ScopeKind, name: string, period: Period): Promise<ActionResult> {
    if (this.snapshots.config.sharedState !== null) {
      const message =
        "a budget that several gateways share (shared_state) cannot begin anew before " +
        "its period does; raise it";
      return { ok: false, status: 409, message };
    }
    if (kind === "model" || !await this.accounts.forgive(kind, name, period)) {
      return {
        ok: false,
        status: 404,
        message: `no ${kind} named ${name} has a budget for ${period}`,
      };
    }
    logger.warning("the budget for {period} of {kind} {name} begins anew", { period, kind, name });
    this.bulletin.note("limits_reset", `${kind} ${name}`, `its budget for ${period} begins anew`);
    return { ok: true };
  }

  /** Resolves when the file has been read and taken or refused. */
  reload(): Promise<ReloadReport> {
    return this.reloading.now();
  }
}

function movedInWords({ moved, staying }: Moved): string {
  const stay = staying === 0 ? "none stays" : `${staying} finish where they are`;
  return `${moved} requests under way go on elsewhere, ${stay}`;
}

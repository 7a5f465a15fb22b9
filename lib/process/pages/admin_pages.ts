// Metrics, dashboard and choices of this process, for whichever isolate is asked for them.

import { pathOf } from "../../http/message.ts";
import { isDeepStrictEqual } from "node:util";
import type { AdminConfig } from "../../config/config.ts";
import { Dashboard } from "../../dashboard/dashboard.ts";
import { type AdminReply, type AdminRequest, DECISIONS, EXPLAIN, PEERS } from "../../http/admin.ts";
import { redirect, textReply } from "../../http/admin_reply.ts";
import type { ChoicesPage } from "./choices_page.ts";
import type { ProcessSource } from "./dashboard_source.ts";
import type { MetricsPage } from "./metrics_page.ts";
import type { Peering } from "../fleet/peering.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";

export class AdminPages implements Reloadable {
  readonly #dashboard: Dashboard;
  #admin: AdminConfig;

  constructor(
    snapshots: Snapshots,
    source: ProcessSource,
    private readonly metrics: MetricsPage,
    private readonly choices: ChoicesPage,
    private readonly peering: Peering,
  ) {
    this.#dashboard = new Dashboard(source);
    this.#admin = snapshots.config.admin;
    snapshots.join(this);
  }

  /** Whoever may no longer look must not go on looking. */
  apply({ config }: Snapshot): void {
    const before = this.#admin;
    this.#admin = config.admin;
    if (!isDeepStrictEqual(config.admin, before)) this.#dashboard.live.endAll();
  }

  handle(request: AdminRequest, asker: AbortSignal): Promise<AdminReply> {
    const path = pathOf(request.target);
    if (path === "/") return Promise.resolve(TO_DASHBOARD);
    if (path === "/dashboard" || path.startsWith("/dashboard/")) {
      return this.#dashboard.handle(request, asker);
    }
    if (path === PEERS) return Promise.resolve(this.peering.handle(request));
    if (path === "/metrics") return this.metrics.handle(request);
    if (path === EXPLAIN || path === DECISIONS) return this.choices.handle(request);
    return Promise.resolve(textReply(404, `Nothing at ${path}`));
  }

  /** Ends the streams of those who look. */
  close(): void {
    this.#dashboard.close();
  }
}

/** Who types the address alone is a person. Not for ever: behind a proxy it may be another's. */
const TO_DASHBOARD = redirect(307, "dashboard/", [["cache-control", "no-store"]]);

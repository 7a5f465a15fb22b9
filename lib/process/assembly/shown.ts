// What people and machines may see of the process: the dashboard, metrics, choices.

import { Actions } from "../pages/actions.ts";
import { AdminPages } from "../pages/admin_pages.ts";
import { Asking } from "../pages/asking.ts";
import { ChoicesPage } from "../pages/choices_page.ts";
import { DashboardCounts } from "../pages/dashboard_counts.ts";
import { DashboardKeys } from "../pages/dashboard_keys.ts";
import { ProcessSource } from "../pages/dashboard_source.ts";
import { DashboardUsage } from "../pages/dashboard_usage.ts";
import { MetricsPage } from "../pages/metrics_page.ts";
import type { Runtime } from "../runtime.ts";
import type { Serving } from "../serving.ts";
import type { Foundations } from "./foundations.ts";
import type { Readers } from "./readers.ts";
import type { Watches } from "./watches.ts";

export function shown(
  { shared, snapshots, conditions, tally, bulletin }: Foundations,
  readers: Readers,
  { runtime, serving }: { readonly runtime: Runtime; readonly serving: Serving },
  { discovery, peering, reload, drained }: Watches,
) {
  const { fleet, reception } = runtime;
  const { accounts, sharedLimits, recording, requests, minutes } = readers;
  const { decisions, failing, policies, felt, firstTokens } = readers;
  const seen = {
    snapshots,
    fleet,
    records: () => recording.stats(),
    discovery: () => discovery.states,
    isolates: () => serving.isolates,
    turnedAway: () => shared.turnedAway.counts,
  };
  const source = new ProcessSource({
    ...seen,
    ...{ requests, failing, policies, felt, firstTokens, minutes, conditions, reload, drained },
    gateways: () => peering.list(),
    counts: new DashboardCounts(tally),
    feed: bulletin.feed,
    actions: new Actions(
      snapshots,
      reload,
      bulletin,
      reception,
      accounts,
      (name) => serving.move(name),
      conditions,
    ),
    caughtUp: () => serving.caughtUp(),
    asking: new Asking(snapshots, runtime),
    usageFiles: new DashboardUsage(snapshots),
    keys: new DashboardKeys(reception, () => accounts.booked()),
  });
  const metrics = new MetricsPage({
    ...seen,
    tally,
    usage: () => accounts.look(),
    sharedState: () => sharedLimits.look(),
    peers: () => peering.look(),
    saturated: () => shared.saturated.count,
    bodies: () => ({ heldBytes: shared.bodies.heldKib * 1024, refused: shared.bodies.refused }),
  });
  const choices = new ChoicesPage(snapshots, fleet, decisions);
  return { source, pages: new AdminPages(snapshots, source, metrics, choices, peering) };
}

// The fleet as the dashboard shows it at one moment: the gateway as a whole, its instances, its models, and
// what is to be said of them.

import { outlookOf } from "../../dashboard/outlook.ts";
import type {
  DiscoveryView,
  FleetSnapshot,
  GatewayView,
  TurnedAwayView,
} from "../../dashboard/source.ts";
import type { DiscoveryState } from "../../discover/followed.ts";
import type { FeltByClients } from "../../observe/felt.ts";
import type { Fleet } from "../../pool/fleet.ts";
import type { InstanceState } from "../../pool/instance.ts";
import { isServing, serviceStatus } from "../../pool/service.ts";
import type { RecordStats } from "../../record/writer.ts";
import { instanceReport } from "../../server/health.ts";
import type { Conditions } from "../fleet/conditions.ts";
import type { Reload } from "../reload.ts";
import type { Snapshots } from "../snapshots.ts";
import { VERSION } from "../version.ts";
import { inFlightOf, type Tracks } from "./tracks.ts";

/** What clients feel now is what they felt in so many minutes. */
const LATELY = 5;
/** Minutes, the one that has begun among them. */
const JUST_NOW = 2;

export interface SnapshotParts {
  readonly snapshots: Snapshots;
  readonly fleet: Fleet;
  records(): RecordStats;
  readonly felt: FeltByClients;
  readonly conditions: Conditions;
  discovery(): readonly DiscoveryState[];
  gateways(): readonly GatewayView[];
  isolates(): number;
  turnedAway(): TurnedAwayView;
  readonly reload: Reload;
}

export function fleetSnapshot(
  parts: SnapshotParts,
  tracks: Tracks,
  uptimeS: number,
): FleetSnapshot {
  const { snapshots, fleet, conditions, felt, reload } = parts;
  const { config, drained } = snapshots;
  const { instances } = fleet;
  const engines = enginesOf(fleet);
  const seen = {
    time: new Date().toISOString(),
    version: VERSION,
    status: serviceStatus(instances),
    strategy: config.strategy,
    uptime_seconds: uptimeS,
    workers: parts.isolates(),
    turned_away: parts.turnedAway(),
    waiting: fleet.waiting,
    totals: { ...tracks.total, in_flight: inFlightOf(instances) },
    lately: felt.over(LATELY),
    last_hour: felt.lastHour,
    refused: reload.refused,
    records: { enabled: config.record.enabled, ...parts.records() },
    instances: instances.map((one) => ({
      ...instanceReport(one),
      since: conditions.of(one.name)?.since ?? null,
      cause: one.state === "healthy" ? "" : conditions.of(one.name)?.cause ?? "",
      context_length: one.contextLength,
      engine: engines.get(one.name) ?? null,
      drained: drained.has(one.name),
      max_concurrency: one.config.maxConcurrency,
      ...tracks.instance(one.name),
    })),
    models: fleet.models.map((name) => {
      const members = instances.filter((one) => one.config.models.includes(name));
      return {
        name,
        instances: members.length,
        available: members.filter(isServing).length,
        ...tracks.model(name),
      };
    }),
    discovery: parts.discovery().map(discoveryView),
    gateways: parts.gateways(),
  };
  const outlook = outlookOf({
    ...seen,
    justNow: felt.over(JUST_NOW),
    lastHour: seen.last_hour,
    isServing: ({ state }) => isServing({ state: state as InstanceState }),
  });
  return { ...seen, outlook };
}

/** What the engines say of themselves, by the names of their instances. */
function enginesOf(fleet: Fleet) {
  return new Map((fleet.routingLook()?.instances ?? []).map(({ name, seen }) => [
    name,
    seen === null ? null : {
      running: seen.running,
      waiting: seen.waiting,
      kv_usage: seen.kvUsage,
      prefix_hits: seen.queries > 0 ? seen.hits / seen.queries : null,
      age_seconds: Math.round(seen.ageS),
    },
  ]));
}

function discoveryView(state: DiscoveryState): DiscoveryView {
  const time = (atMs: number | null) => atMs === null ? null : new Date(atMs).toISOString();
  return {
    name: state.name,
    instances: state.found,
    since: time(state.changedAt),
    answered: time(state.answeredAt),
    error: state.error,
    error_since: time(state.errorSince),
  };
}

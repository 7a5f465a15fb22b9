// Metrics of the process: its configuration, its records, its alerts, and what it takes of the machine
// (named as Prometheus' client libraries name that).

import type { Labels, Look, Metric } from "./metric.ts";

const NO_LABELS: Labels = {};

export const processMetrics: readonly Metric[] = [
  {
    name: "gateway_config_reloads_total",
    type: "counter",
    help: "Configurations read since the start; a failed one changed nothing",
    labels: ["result"],
    *read({ tally }) {
      yield { labels: { result: "done" }, value: tally.reloadsDone };
      yield { labels: { result: "failed" }, value: tally.reloadsFailed };
    },
  },
  single(
    "gauge",
    "gateway_config_last_reload_successful",
    "1 when the configuration file, as it was last read, is in force",
    ({ tally }) => tally.configIsCurrent ? 1 : 0,
  ),
  single(
    "gauge",
    "gateway_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read, in seconds since 1970",
    ({ tally }) => tally.configReadAtMs / 1000,
  ),
  single(
    "counter",
    "gateway_records_written_total",
    "Lines written to the record files",
    ({ records }) => records.written,
  ),
  single(
    "counter",
    "gateway_records_dropped_total",
    "Answers that were not recorded because the queue was full",
    ({ records }) => records.dropped,
  ),
  single(
    "counter",
    "gateway_records_failed_total",
    "Writes that failed, which are tried again, and answers that could not be turned into a record",
    ({ records }) => records.failed,
  ),
  single(
    "gauge",
    "gateway_records_queue_depth",
    "Answers that wait to be recorded",
    ({ records }) => records.queued,
  ),
  single(
    "gauge",
    "gateway_disk_free_bytes",
    "Free space where records are written",
    ({ records }) => records.diskFreeBytes,
  ),
  {
    name: "gateway_alerts_total",
    type: "counter",
    help: "Reasons to alert, those included that alert_cooldown kept back",
    labels: ["kind"],
    *read({ tally }) {
      for (const [kind, value] of tally.alerts) yield { labels: { kind }, value };
    },
  },
  single("gauge", "gateway_workers", "Isolates that serve", ({ workers }) => workers),
  single(
    "gauge",
    "gateway_workers_saturated",
    "Isolates with more streams than they keep up with, which read them less often",
    ({ saturatedWorkers }) => saturatedWorkers,
  ),
  {
    name: "gateway_clients_turned_away_total",
    type: "counter",
    help: "Clients that were turned away before their requests were read, which count nowhere else",
    labels: ["reason"],
    *read({ turnedAway }) {
      for (const [reason, value] of Object.entries(turnedAway)) yield { labels: { reason }, value };
    },
  },
  single(
    "gauge",
    "gateway_request_bodies_held_bytes",
    "Request bodies in memory, those that are being read or decoded among them",
    ({ bodies }) => bodies.heldBytes,
  ),
  single(
    "counter",
    "gateway_request_bodies_refused_total",
    "Requests that were refused because there was no room for their bodies (max_held_body_bytes)",
    ({ bodies }) => bodies.refused,
  ),
  {
    name: "gateway_build_info",
    type: "gauge",
    help: "Always 1, with the versions of the gateway and of Deno",
    labels: ["version", "deno"],
    *read({ version }) {
      yield { labels: { version, deno: Deno.version.deno }, value: 1 };
    },
  },
  single(
    "counter",
    "process_cpu_seconds_total",
    "CPU time of the process, user and system",
    ({ process }) => process.cpuSeconds,
  ),
  single(
    "gauge",
    "process_resident_memory_bytes",
    "Resident memory",
    ({ process }) => process.residentBytes,
  ),
  single("gauge", "process_open_fds", "Open file descriptors", ({ process }) => process.openFiles),
  single(
    "gauge",
    "process_start_time_seconds",
    "When the process started, in seconds since 1970",
    ({ tally }) => tally.startedAtMs / 1000,
  ),
];

/** One value without labels, absent where it is not known. */
function single(
  type: "counter" | "gauge",
  name: string,
  help: string,
  value: (look: Look) => number | null,
): Metric {
  return {
    name,
    type,
    help,
    labels: [],
    *read(look) {
      const found = value(look);
      if (found !== null) yield { labels: NO_LABELS, value: found };
    },
  };
}

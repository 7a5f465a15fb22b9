// What each kind of alert is called, how grave it is, and what ends it.

import type { AlertKind, Severity } from "./alert.ts";

interface Kind {
  /** In front of the subject: "Instance ejected: gpu-1". */
  title: string;
  severity: Severity;
  /** Whether there is a moment at which it is over. */
  ends: boolean;
}

export const KINDS: Readonly<Record<AlertKind, Kind>> = {
  instance_ejected: { title: "Instance ejected", severity: "warning", ends: true },
  instance_down: { title: "Instance down", severity: "warning", ends: true },
  instance_hung: { title: "Instance hung", severity: "critical", ends: true },
  instance_asleep: { title: "Instance asleep", severity: "info", ends: true },
  instance_misconfigured: { title: "Instance misconfigured", severity: "critical", ends: true },
  instance_recovered: { title: "Instance recovered", severity: "warning", ends: false },
  no_instance: { title: "Model without instances", severity: "critical", ends: true },
  fallback_in_use: { title: "Fallback in use", severity: "warning", ends: true },
  request_kills_engines: { title: "Request kills engines", severity: "critical", ends: false },
  error_rate: { title: "Error rate", severity: "critical", ends: true },
  refused_rate: { title: "Requests refused", severity: "warning", ends: true },
  first_token_slow: { title: "Slow first token", severity: "warning", ends: true },
  answer_truncated: { title: "Answer cut off", severity: "warning", ends: false },
  reload_failed: { title: "Configuration refused", severity: "warning", ends: true },
  disk_low: { title: "Disk almost full", severity: "critical", ends: true },
  data_dir_replaced: { title: "Data folder replaced", severity: "critical", ends: false },
  system_limit: { title: "System limit reached", severity: "critical", ends: true },
  records_dropped: { title: "Records dropped", severity: "critical", ends: false },
  records_failed: { title: "Records not written", severity: "critical", ends: true },
  usage_failed: { title: "Usage not written", severity: "critical", ends: true },
  shared_state_down: { title: "Shared limits out of reach", severity: "critical", ends: true },
  budget: { title: "Budget running out", severity: "warning", ends: false },
  key_expiring: { title: "Key expires soon", severity: "warning", ends: false },
  policy_failing: { title: "Policy without a verdict", severity: "warning", ends: false },
  policy_hits: { title: "Policy finds much", severity: "warning", ends: true },
  worker_died: { title: "Worker died", severity: "warning", ends: false },
  test: { title: "Test", severity: "info", ends: false },
};

/** Kinds whose end has a name of its own. */
const ENDED_BY: Readonly<Partial<Record<AlertKind, AlertKind>>> = {
  instance_ejected: "instance_recovered",
  instance_down: "instance_recovered",
  instance_hung: "instance_recovered",
  instance_asleep: "instance_recovered",
  instance_misconfigured: "instance_recovered",
};

/** The kinds that a message that something is over speaks of. */
export function kindsEndedBy(kind: AlertKind): AlertKind[] {
  const ended = Object.entries(ENDED_BY).filter(([, end]) => end === kind);
  return ended.length === 0 ? [kind] : ended.map(([begun]) => begun as AlertKind);
}

// Alerts for tests.

import type { Alert, Notice } from "../../lib/alert/alert.ts";
import { KINDS } from "../../lib/alert/kinds.ts";

export function alert(more: Partial<Alert> = {}): Alert {
  const kind = more.kind ?? "instance_ejected";
  return {
    time: new Date(Date.UTC(2026, 4, 4, 9, 20, 30)),
    kind,
    subject: "gpu-1",
    message: "connection refused",
    count: 10,
    suppressed: 0,
    severity: KINDS[kind].severity,
    resolved: false,
    ...more,
  };
}

export function notice(...alerts: Alert[]): Notice {
  return { alerts: alerts.length === 0 ? [alert()] : alerts, left: 0, source: "gateway-1" };
}

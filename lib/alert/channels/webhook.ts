// Alerts as JSON to an address of your own.

import type { Messenger, Notice } from "../alert.ts";
import { textOf, titleOf } from "../wording.ts";
import { post, secretsOf } from "./post.ts";

export interface WebhookOptions {
  url: string;
  headers: Readonly<Record<string, string>>;
}

/** Alerts that one message carries in full. */
const MAX_ALERTS = 100;

export class WebhookChannel implements Messenger {
  readonly secrets: readonly string[];

  constructor(private readonly options: WebhookOptions) {
    this.secrets = [...secretsOf(options.url), ...Object.values(options.headers)];
  }

  async deliver(notice: Notice, signal: AbortSignal): Promise<void> {
    const { url, headers } = this.options;
    await post(url, webhookBody(notice), signal, headers);
  }
}

/** `{version, source, title, text, alerts: [{time, kind, subject, …}], more}` */
function webhookBody(notice: Notice): Record<string, unknown> {
  const { source, alerts, left } = notice;
  return {
    version: 1,
    source,
    title: titleOf(notice),
    text: textOf(notice),
    alerts: alerts.slice(-MAX_ALERTS).map((alert) => ({
      time: alert.time.toISOString(),
      state: alert.resolved ? "resolved" : "firing",
      severity: alert.severity,
      kind: alert.kind,
      subject: alert.subject,
      message: alert.message,
      count: alert.count,
      suppressed: alert.suppressed,
    })),
    more: left + Math.max(0, alerts.length - MAX_ALERTS),
  };
}

// The channels that the configuration names: who gets which alert, and what happens to those that wait
// when the configuration changes.

import { isDeepStrictEqual } from "node:util";
import type { AlertChannelConfig, AlertRules } from "../config/config.ts";
import { SEVERITIES } from "../config/alert_channels.ts";
import type { Alert, AlertChannel } from "./alert.ts";
import { makeMessenger } from "./channels/make.ts";
import type { Clock } from "./clock.ts";
import { Delivery, type Failure } from "./delivery.ts";
import { kindsEndedBy } from "./kinds.ts";

export interface OutletsConfig {
  alerts: readonly AlertChannelConfig[];
  alertRules: Pick<AlertRules, "summaryWindowS">;
}

interface Outlet {
  config: AlertChannelConfig;
  delivery: Delivery;
}

/** A removed channel has so long to send what waits. */
const REMOVED_GRACE_MS = 5000;

export class Outlets implements AlertChannel {
  readonly name = "outlets";
  #outlets: Outlet[] = [];
  readonly #closing = new Set<Promise<void>>();

  constructor(
    private readonly clock: Clock,
    private readonly hostname: string,
    private readonly onFailure: (failure: Failure) => void,
  ) {}

  /** Channels that have not changed keep what waits in them. */
  configure({ alerts, alertRules }: OutletsConfig): void {
    const before = this.#outlets;
    this.#outlets = alerts.map((config) => {
      const kept = before.find((outlet) =>
        isDeepStrictEqual(outlet.config, config) &&
        outlet.delivery.options.summaryWindowS === alertRules.summaryWindowS
      );
      return kept ?? { config, delivery: this.#delivery(config, alertRules.summaryWindowS) };
    });
    for (const outlet of before) {
      if (this.#outlets.includes(outlet)) continue;
      const closing = outlet.delivery.close(REMOVED_GRACE_MS)
        .finally(() => this.#closing.delete(closing));
      this.#closing.add(closing);
    }
  }

  /** Hands it to every channel that wants it. Resolves at once. */
  send(alert: Alert): Promise<void> {
    for (const { config, delivery } of this.#outlets) {
      if (wants(config, alert)) delivery.offer(alert);
    }
    return Promise.resolve();
  }

  /** Sends what waits; resolves when that is done or after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    await Promise.all([
      ...this.#outlets.map(({ delivery }) => delivery.close(graceMs)),
      ...this.#closing,
    ]);
  }

  #delivery(config: AlertChannelConfig, summaryWindowS: number): Delivery {
    return new Delivery({
      name: config.name,
      messenger: makeMessenger(config, () => this.clock.now(), this.hostname),
      source: this.hostname,
      summaryWindowS,
      clock: this.clock,
      onFailure: this.onFailure,
    });
  }
}

/** Whoever hears of a trouble hears of its end too. */
export function wants(
  { kinds, min_severity }: Pick<AlertChannelConfig, "kinds" | "min_severity">,
  alert: Alert,
): boolean {
  if (SEVERITIES.indexOf(alert.severity) < SEVERITIES.indexOf(min_severity)) return false;
  if (kinds === undefined || alert.kind === "test") return true;
  return [alert.kind, ...kindsEndedBy(alert.kind)].some((kind) =>
    kind !== "test" && kinds.includes(kind)
  );
}

// What an alert is, and where it may go.

import type { AlertKind as ConfiguredKind, Severity } from "../config/alert_channels.ts";

export type { Severity } from "../config/alert_channels.ts";

/** What people are told; `test` is only ever sent by the command. */
export type AlertKind = ConfiguredKind | "test";

export interface Alert {
  time: Date;
  kind: AlertKind;
  /** Name of the instance, or of the model or part that it is about. */
  subject: string;
  message: string;
  /** Errors that led to it. */
  count: number;
  /** Alerts of this kind and subject that the cooldown has kept back since the last one. */
  suppressed: number;
  severity: Severity;
  /** True where the trouble that was told is over. */
  resolved: boolean;
}

/** Where alerts go. `send` may fail and take its time; it never delays a request. */
export interface AlertChannel {
  readonly name: string;
  send(alert: Alert): Promise<void>;
}

/** What goes out as one message. */
export interface Notice {
  /** At least one; more than one make a summary. Oldest first. */
  readonly alerts: readonly Alert[];
  /** Alerts that there was no room for. */
  readonly left: number;
  /** Name of the machine that the gateway runs on. */
  readonly source: string;
}

/** A service outside that carries messages to people. */
export interface Messenger {
  /** Texts that must not show in an error. */
  readonly secrets: readonly string[];
  /** Rejects with ChannelError; stops when `signal` says so. */
  deliver(notice: Notice, signal: AbortSignal): Promise<void>;
}

/** A message that was not taken. */
export class ChannelError extends Error {
  override readonly name = "ChannelError";
  constructor(
    message: string,
    /** Whether the same message may be taken another time. */
    readonly passing: boolean,
    /** Seconds to wait before that, where the service says so. */
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
  }
}

// What an alert is and where it may go.

export type AlertKind =
  | "instance_ejected"
  | "instance_down"
  | "instance_recovered"
  | "no_instance"
  | "fallback_in_use"
  | "answer_truncated"
  | "reload_failed"
  | "records_dropped"
  | "records_failed"
  | "worker_died";

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
}

/** A way to tell people. `send` may fail and take its time; it never delays a request. */
export interface AlertChannel {
  readonly name: string;
  send(alert: Alert): Promise<void>;
}

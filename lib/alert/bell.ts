// What those who watch ring.

import type { AlertKind } from "./alert.ts";

export interface Bell {
  raise(kind: AlertKind, subject: string, message: string): void;
  /** The trouble is over; nothing happens where there was none. */
  end(kind: AlertKind, subject: string, message: string): void;
  /** Whether such trouble was raised and is not over. */
  isActive(kind: AlertKind, subject: string): boolean;
}

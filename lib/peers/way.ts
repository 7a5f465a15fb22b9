// A way by which notes get to other gateways.

import type { Note } from "./note.ts";

export interface Way {
  /** Sends a note to all; never waits and never throws. One that does not get through is no fault of the next. */
  send(note: Note): void;
  /** How many others there must be; 0 where nobody knows. */
  readonly expected: number;
  /** Whether the way itself is open. */
  readonly isOpen: boolean;
  /** Sends what is last and ends, soon. */
  close(last: Note): Promise<void>;
}

export interface WayEvents {
  /** A note did not get through. */
  onFailure(): void;
  /** Something for people: with whom it is about. */
  onWord(level: "info" | "warning", message: string): void;
}

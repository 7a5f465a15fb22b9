// What mends one event of a second stream onto the first.

/** What becomes of one event: text for the client, nothing, or the proof that it is another answer. */
export type Mended = string | null | "disagrees";

export interface Mender {
  /** Takes an event's data, `name` being that of the Messages API's events. */
  event(data: string, name: string | undefined): Mended;
  /** Whether everything that the client has was met again (always true of a continuation). */
  readonly caughtUp: boolean;
  /** Set once it has ended the answer before the instance does. */
  readonly isOver?: boolean;
}

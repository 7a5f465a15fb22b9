// What may stand between the events of an instance and the client. An empty list of stages is the fast
// path: the very bytes that came go out.

/** Synchronous; one object for each stream. */
export interface Stage {
  /**
   * Whole events in, whole events out, none where nothing may go on yet; null when what came cannot be
   * a part of the answer that the client is getting.
   */
  take(events: Uint8Array): Uint8Array | null;
  /** Whether the answer may end here, as far as this stage is concerned. */
  readonly caughtUp: boolean;
  /** Set once it has ended the answer before the instance does, which need not go on. */
  readonly isOver?: boolean;
}

/** `events` through all `stages`; null as soon as one of them objects. */
export function through(stages: readonly Stage[], events: Uint8Array): Uint8Array | null {
  let passed: Uint8Array | null = events;
  for (const stage of stages) {
    if (passed === null || passed.length === 0) return passed;
    passed = stage.take(passed);
  }
  return passed;
}

/** Whether one of `stages` has ended the answer. */
export function isOver(stages: readonly Stage[]): boolean {
  return stages.some((stage) => stage.isOver === true);
}

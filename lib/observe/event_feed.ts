// What happened lately, for people who look: a bounded list of events. What is worth one is decided by
// those who add it; telling people who do not look is left to alert/.

export type EventLevel = "info" | "good" | "warning" | "bad";

export interface FeedEvent {
  /** Counts up; a repeated event keeps it. */
  id: number;
  /** When it happened last, ISO text. */
  time: string;
  kind: string;
  level: EventLevel;
  /** Instance, model or part that it is about. */
  subject: string;
  message: string;
  /** How often it happened in a row. */
  count: number;
}

/** Events of one kind and subject within this time are one that counts on. */
const REPEAT_MS = 60_000;
const KEPT = 500;

export class EventFeed {
  #events: FeedEvent[] = [];
  #nextId = 1;
  readonly #listeners = new Set<(event: FeedEvent) => void>();

  constructor(private readonly now: () => Date = () => new Date()) {}

  /** Adds one, or `count` of them; tells who listens. */
  add(kind: string, level: EventLevel, subject: string, message: string, count = 1): void {
    const time = this.now();
    const at = this.#events.findLastIndex((event) =>
      event.kind === kind && event.subject === subject
    );
    const before = at < 0 ? undefined : this.#events[at];
    let event: FeedEvent;
    if (before !== undefined && time.getTime() - Date.parse(before.time) < REPEAT_MS) {
      event = { ...before, time: time.toISOString(), level, message, count: before.count + count };
      this.#events.splice(at, 1);
    } else {
      const id = this.#nextId++;
      event = { id, time: time.toISOString(), kind, level, subject, message, count };
    }
    this.#events.push(event);
    if (this.#events.length > KEPT) this.#events.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** The newest ones, oldest first. */
  get events(): readonly FeedEvent[] {
    return this.#events;
  }

  /** Returns what ends the listening. */
  listen(listener: (event: FeedEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

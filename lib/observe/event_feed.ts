// What happened lately, for people who look: a bounded list of events. What is worth one is decided by
// those who add it; telling people who do not look is left to alert/.

export type EventLevel = "info" | "good" | "warning" | "bad";

export interface FeedEvent {
  /** Counts up; a repeated event keeps it. */
  id: number;
  /** When it happened first and last, ISO texts. */
  since: string;
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
/** What somebody did: each has its own time, since what follows may come of it. */
const DONE_BY_HAND: ReadonlySet<string> = new Set([
  ...["started", "reload", "reload_failed", "drain", "undrain", "limits_reset"],
]);
const KEPT = 500;

export class EventFeed {
  #events: FeedEvent[] = [];
  #nextId = 1;
  /** Those of before the start do not go on. */
  #firstOwn = 1;
  readonly #listeners = new Set<(event: FeedEvent) => void>();

  constructor(private readonly now: () => Date = () => new Date()) {}

  /** Adds one, or `count` of them; tells who listens. */
  add(kind: string, level: EventLevel, subject: string, message: string, count = 1): void {
    const time = this.now();
    const iso = time.toISOString();
    const at = DONE_BY_HAND.has(kind)
      ? -1
      : this.#events.findLastIndex((event) =>
        event.kind === kind && event.subject === subject && event.id >= this.#firstOwn
      );
    const before = at < 0 ? undefined : this.#events[at];
    let event: FeedEvent;
    if (before !== undefined && time.getTime() - Date.parse(before.time) < REPEAT_MS) {
      event = { ...before, time: iso, level, message, count: before.count + count };
      this.#events.splice(at, 1);
    } else {
      const id = this.#nextId++;
      event = { id, since: iso, time: iso, kind, level, subject, message, count };
    }
    this.#events.push(event);
    if (this.#events.length > KEPT) this.#events.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** What happened before the start, oldest first; those who listen do not hear of it. */
  restore(before: readonly Omit<FeedEvent, "id">[]): void {
    const restored = before.map((event) => ({ ...event, id: this.#nextId++ }));
    this.#firstOwn = this.#nextId;
    this.#events = [...restored, ...this.#events].slice(-KEPT);
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

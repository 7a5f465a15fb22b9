// When to alert: at most one of a kind and subject in each cooldown. How people are told is left to
// channels/.

import type { Alert, AlertChannel, AlertKind } from "./alert.ts";

/** Kinds and subjects that are remembered; the oldest give way. */
const MAX_REMEMBERED = 10_000;

export class Alerts {
  readonly #last = new Map<string, { at: number; suppressed: number }>();
  #cooldownS = 300;
  readonly #sending = new Set<Promise<void>>();

  constructor(
    private readonly channels: readonly AlertChannel[],
    private readonly onChannelError: (channel: string, error: unknown) => void,
    private readonly now: () => Date = () => new Date(),
  ) {}

  configure(options: { alertCooldownS: number }): void {
    this.#cooldownS = options.alertCooldownS;
  }

  /** Tells all channels, unless the cooldown keeps it back. Returns at once and never throws. */
  raise(kind: AlertKind, subject: string, message: string, count = 1): void {
    const time = this.now();
    const key = `${kind} ${subject}`;
    const last = this.#last.get(key);
    // A clock that was set back must not silence alerts for as long as it was set back.
    const age = last === undefined ? Infinity : Math.abs(time.getTime() - last.at);
    if (last !== undefined && age < this.#cooldownS * 1000) {
      last.suppressed++;
      return;
    }
    this.#last.delete(key);
    this.#last.set(key, { at: time.getTime(), suppressed: 0 });
    if (this.#last.size > MAX_REMEMBERED) {
      const oldest = this.#last.keys().next().value;
      if (oldest !== undefined) this.#last.delete(oldest);
    }
    const alert = { time, kind, subject, message, count, suppressed: last?.suppressed ?? 0 };
    for (const channel of this.channels) this.#send(channel, alert);
  }

  /** Waits for alerts that are on their way. */
  async close(): Promise<void> {
    await Promise.all(this.#sending);
  }

  #send(channel: AlertChannel, alert: Alert): void {
    const sending = channel.send(alert)
      .catch((error) => this.onChannelError(channel.name, error))
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }
}

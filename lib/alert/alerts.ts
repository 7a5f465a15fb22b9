// When to alert: at most one of a kind and subject in each cooldown, and one message when what was told
// is over. How people are told is left to channels/ and delivery.ts.

import type { Alert, AlertChannel, AlertKind } from "./alert.ts";
import { KINDS, kindsEndedBy } from "./kinds.ts";

/** Kinds and subjects that are remembered; the oldest give way. */
const MAX_REMEMBERED = 10_000;

/** What is known of one kind and subject. */
interface Trouble {
  kind: AlertKind;
  subject: string;
  /** When it was told last, in milliseconds; -Infinity before the first time. */
  toldAt: number;
  suppressed: number;
  /** Since when nobody has said that it is over. */
  active: boolean;
  /** Whether people believe that it goes on. */
  told: boolean;
  /** The latest that the cooldown kept back. */
  message: string;
  count: number;
}

export class Alerts {
  readonly #troubles = new Map<string, Trouble>();
  #cooldownS = 300;
  readonly #sending = new Set<Promise<void>>();
  #active = 0;

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
    const trouble = this.#trouble(kind, subject);
    trouble.message = message;
    trouble.count = count;
    if (KINDS[kind].ends && !trouble.active) {
      trouble.active = true;
      this.#active++;
    }
    if (this.#isCooling(trouble)) trouble.suppressed++;
    else this.#tell(trouble);
  }

  /**
   * What `kind` stands for is over, or is what `kind` ends. Told only where people were told of the
   * trouble; true if it was.
   */
  end(kind: AlertKind, subject: string, message: string): boolean {
    let told = false;
    for (const begun of kindsEndedBy(kind)) {
      const trouble = this.#troubles.get(keyOf(begun, subject));
      if (trouble === undefined || !trouble.active) continue;
      trouble.active = false;
      this.#active--;
      told ||= trouble.told;
      trouble.told = false;
    }
    if (!told) return false;
    this.#send({
      time: this.now(),
      kind,
      subject,
      message,
      count: 0,
      suppressed: 0,
      severity: KINDS[kind].severity,
      resolved: true,
    });
    return true;
  }

  /** Whether such trouble was raised and has not ended. */
  isActive(kind: AlertKind, subject: string): boolean {
    return this.#active > 0 && this.#troubles.get(keyOf(kind, subject))?.active === true;
  }

  /** Ends all trouble of `kind` whose subject is not among those that there are. */
  endOthers(kind: AlertKind, subjects: ReadonlySet<string>, message: string): void {
    for (const trouble of this.#troubles.values()) {
      if (trouble.kind !== kind || !trouble.active || subjects.has(trouble.subject)) continue;
      this.end(kind, trouble.subject, message);
    }
  }

  /** Now and then: trouble that came back within the cooldown, and stayed, is told after it. */
  tick(): void {
    if (this.#active === 0) return;
    for (const trouble of this.#troubles.values()) {
      if (trouble.active && !trouble.told && !this.#isCooling(trouble)) this.#tell(trouble);
    }
  }

  /** Waits for alerts that are on their way. */
  async close(): Promise<void> {
    await Promise.all(this.#sending);
  }

  #trouble(kind: AlertKind, subject: string): Trouble {
    const key = keyOf(kind, subject);
    let trouble = this.#troubles.get(key);
    if (trouble === undefined) {
      trouble = {
        kind,
        subject,
        toldAt: -Infinity,
        suppressed: 0,
        active: false,
        told: false,
        message: "",
        count: 0,
      };
      this.#troubles.set(key, trouble);
      if (this.#troubles.size > MAX_REMEMBERED) this.#forgetOldest();
    }
    return trouble;
  }

  #forgetOldest(): void {
    for (const [key, { active }] of this.#troubles) {
      if (active) this.#active--;
      this.#troubles.delete(key);
      return;
    }
  }

  #isCooling({ toldAt }: Trouble): boolean {
    // A clock that was set back must not silence alerts for as long as it was set back.
    return Math.abs(this.now().getTime() - toldAt) < this.#cooldownS * 1000;
  }

  #tell(trouble: Trouble): void {
    const { kind, subject, message, count, suppressed } = trouble;
    const time = this.now();
    // The one told last is the last to be forgotten.
    const key = keyOf(kind, subject);
    this.#troubles.delete(key);
    this.#troubles.set(key, trouble);
    trouble.toldAt = time.getTime();
    trouble.told = true;
    trouble.suppressed = 0;
    const { severity } = KINDS[kind];
    this.#send({ time, kind, subject, message, count, suppressed, severity, resolved: false });
  }

  #send(alert: Alert): void {
    for (const channel of this.channels) {
      const sending = channel.send(alert)
        .catch((error) => this.onChannelError(channel.name, error))
        .finally(() => this.#sending.delete(sending));
      this.#sending.add(sending);
    }
  }
}

function keyOf(kind: AlertKind, subject: string): string {
  return `${kind} ${subject}`;
}

// One channel's way from alerts to messages: what waits, when a storm becomes a summary, and what is
// tried again. Each channel has its own, so that one that hangs holds up nobody else.

import { type Alert, ChannelError, type Messenger, type Notice } from "./alert.ts";
import type { Clock } from "./clock.ts";

export interface DeliveryOptions {
  /** In the log. */
  name: string;
  messenger: Messenger;
  source: string;
  /** More than SINGLY alerts in this time are sent as one summary. */
  summaryWindowS: number;
  clock: Clock;
  /** A message was not taken; null: and is not tried again. */
  onFailure(failure: Failure): void;
}

export interface Failure {
  channel: string;
  /** Without secrets. */
  reason: string;
  attempt: number;
  /** Seconds until the next; null when there is none. */
  retryInS: number | null;
  /** Alerts in the message. */
  alerts: number;
}

/** What one moment brings is looked at together. */
const GATHER_MS = 500;
/** Alerts that come as messages of their own, in each summary window. */
const SINGLY = 3;
/** Alerts that may wait; the oldest give way. */
const MAX_WAITING = 1000;
/** Waits in seconds between the attempts. */
const BACKOFF_S = [1, 5, 20, 60];
/** The longest wait that a service may ask for. */
const MAX_RETRY_AFTER_S = 600;
const ATTEMPT_MS = 15_000;

export class Delivery {
  #waiting: Alert[] = [];
  #left = 0;
  #running: Promise<void> | null = null;
  /** Aborted when the rest has to go out now. */
  readonly #hurry = new AbortController();
  /** Aborted when time is up. */
  readonly #stop = new AbortController();
  #windowEndsAt = -Infinity;
  #sentInWindow = 0;

  constructor(readonly options: DeliveryOptions) {}

  /** Takes an alert to be sent. Returns at once. */
  offer(alert: Alert): void {
    if (this.#hurry.signal.aborted) return;
    this.#waiting.push(alert);
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift();
      this.#left++;
    }
    this.#running ??= this.#run().finally(() => this.#running = null);
  }

  /** Sends what waits at once, and resolves when that is done or `graceMs` have passed. */
  async close(graceMs: number): Promise<void> {
    this.#hurry.abort();
    if (this.#running === null) return;
    const timer = setTimeout(() => this.#stop.abort(), graceMs);
    await this.#running;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    await this.#wait(GATHER_MS);
    while (this.#waiting.length > 0) {
      const now = this.#now();
      if (now >= this.#windowEndsAt) {
        this.#windowEndsAt = now + this.options.summaryWindowS * 1000;
        this.#sentInWindow = 0;
      }
      const hurried = this.#hurry.signal.aborted;
      if (this.#sentInWindow >= SINGLY && !hurried) {
        await this.#wait(this.#windowEndsAt - now);
        continue;
      }
      if (this.#sentInWindow + this.#waiting.length <= SINGLY) {
        this.#sentInWindow++;
        await this.#deliver({
          alerts: this.#waiting.splice(0, 1),
          left: 0,
          source: this.options.source,
        });
      } else {
        this.#sentInWindow = SINGLY;
        const { alerts, left } = this.#takeAll();
        await this.#deliver({ alerts, left, source: this.options.source });
      }
    }
  }

  #takeAll(): { alerts: Alert[]; left: number } {
    const taken = { alerts: this.#waiting, left: this.#left };
    this.#waiting = [];
    this.#left = 0;
    return taken;
  }

  async #deliver(notice: Notice): Promise<void> {
    const { name, messenger, clock, onFailure } = this.options;
    for (let attempt = 1;; attempt++) {
      const error = await deliverOnce(messenger, notice, this.#stop.signal);
      if (error === null) return;
      const backoffS = BACKOFF_S[attempt - 1];
      const last = this.#hurry.signal.aborted || !error.passing || backoffS === undefined;
      const retryInS = last
        ? null
        : Math.min(Math.max(backoffS, error.retryAfterS ?? 0), MAX_RETRY_AFTER_S);
      const reason = withoutSecrets(error.message, messenger.secrets);
      const alerts = notice.alerts.length + notice.left;
      onFailure({ channel: name, reason, attempt, retryInS, alerts });
      if (retryInS === null) return;
      await clock.wait(retryInS * 1000, this.#hurry.signal);
    }
  }

  #wait(ms: number): Promise<void> {
    return this.options.clock.wait(ms, this.#hurry.signal);
  }

  #now(): number {
    return this.options.clock.passedMs();
  }
}

/** One attempt, which ends in bounded time whatever the service does; null when it was taken. */
export async function deliverOnce(
  messenger: Messenger,
  notice: Notice,
  stop: AbortSignal = new AbortController().signal,
): Promise<ChannelError | null> {
  const attempt = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    const end = (reason: string) => {
      reject(new ChannelError(reason, true));
      attempt.abort();
    };
    timer = setTimeout(() => end(`no answer within ${ATTEMPT_MS / 1000} s`), ATTEMPT_MS);
    stopped = () => end("the gateway is stopping");
    if (stop.aborted) stopped();
    else stop.addEventListener("abort", stopped);
  });
  try {
    await Promise.race([messenger.deliver(notice, attempt.signal), late]);
    return null;
  } catch (error) {
    if (error instanceof ChannelError) return error;
    return new ChannelError(error instanceof Error ? error.message : String(error), true);
  } finally {
    clearTimeout(timer);
    if (stopped !== undefined) stop.removeEventListener("abort", stopped);
  }
}

/** The text with each secret masked; errors of a network library may name the whole address. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let masked = text;
  for (const secret of secrets) {
    if (secret.length > 0) masked = masked.replaceAll(secret, "********");
  }
  return masked;
}

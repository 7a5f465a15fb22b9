// The limit for connecting, for fetch, which has none and does not say when its connection stands: while
// no answer has come, a bare connection of our own shows whether the instance can be reached at all.

import { noConnectionWithin, type UpstreamError } from "../transport.ts";
import { connectTimer, fairTimer } from "./fair_timer.ts";

/** An origin that was reached so lately is not tried again. */
const TRUST_MS = 5000;

export class ConnectWatch {
  readonly #reachedAt = new Map<string, number>();

  /** Where a proxy stands between, reaching the origin itself proves nothing. */
  constructor(private readonly proxied: (origin: string) => boolean) {}

  /**
   * Calls `onTimeout` when `origin` cannot be reached within `limitS`. The trial takes the second half of
   * that time, so that a quick answer costs no second connection. Returns what ends the watch.
   */
  start(
    origin: string,
    limitS: number,
    moreS: () => number,
    onTimeout: (error: UpstreamError) => void,
  ): () => void {
    const reachedAt = this.#reachedAt.get(origin) ?? -Infinity;
    if (performance.now() - reachedAt < TRUST_MS || this.proxied(origin)) return () => {};
    let stop = fairTimer(limitS * 500, () => {
      stop = connectTimer(
        limitS * 500,
        moreS,
        (waitedMs) => onTimeout(noConnectionWithin(limitS, limitS * 500 + waitedMs)),
      );
      this.#reach(origin).then(() => stop());
    });
    return () => stop();
  }

  /** Resolves once a connection stood; a refusal is left for fetch to report, and ends the watch too. */
  async #reach(origin: string): Promise<void> {
    const { hostname, port, protocol } = new URL(origin);
    try {
      const connection = await Deno.connect({
        hostname: hostname.replace(/^\[|\]$/g, ""),
        port: Number(port) || (protocol === "https:" ? 443 : 80),
      });
      connection.close();
      this.#reachedAt.set(origin, performance.now());
    } catch (error) {
      // Refused, reset or without a name: fetch meets the same and says so.
      if (!(error instanceof Error)) throw error;
    }
  }
}

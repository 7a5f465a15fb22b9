// The server that several gateways share, at the moment of a scrape.

import type { Histogram } from "../histogram.ts";

export interface SharedStateLook {
  readonly isUp: boolean;
  readonly errors: number;
  /** Seconds of the calls. */
  readonly durations: Histogram;
}

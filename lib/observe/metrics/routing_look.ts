// What routing by prompts knows and did, at the moment of a scrape.

export interface RoutedInstanceLook {
  readonly name: string;
  /** Requests that came, by why. */
  readonly decisions: Readonly<Record<string, number>>;
  /** Tokens of their prompts that should have been cached there, and the others. */
  readonly matched: number;
  readonly uncached: number;
  /** Tokens that answers said to be cached. */
  readonly cached: number;
  /** Sum and number of the seconds between first tokens and when they were foretold. */
  readonly errorS: number;
  readonly compared: number;
  /** Prompt tokens that it computes in a second; null where that is not known. */
  readonly speed: number | null;
  /** Of what is foretold to be cached, the share that is. */
  readonly trust: number;
  /** Tokens of this gateway's requests that it has still to compute, and how many requests these are. */
  readonly pending: number;
  readonly unanswered: number;
  /** What its metrics said last; null where they never did. */
  readonly seen: {
    readonly running: number;
    readonly waiting: number;
    readonly kvUsage: number;
    /** Tokens of prompts since its start, and those of them that were in its prefix cache. */
    readonly queries: number;
    readonly hits: number;
    readonly ageS: number;
  } | null;
  /** Chunks of prompts that it is taken to hold. */
  readonly chunks: number;
}

/** What an autoscaler asks of a model. */
export interface RoutedModelLook {
  readonly name: string;
  readonly backlogS: number;
  readonly saturation: number;
  readonly instances: number;
  readonly wanted: number;
}

export interface RoutingLook {
  readonly instances: readonly RoutedInstanceLook[];
  readonly models: readonly RoutedModelLook[];
  /** Chunks that gave way to others while they were in use. */
  readonly replaced: number;
}

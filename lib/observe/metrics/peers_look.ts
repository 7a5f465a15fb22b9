// Other gateways, and notes between them and this one, at the moment of a scrape.

export interface PeersLook {
  /** Seconds since the last note of each. */
  readonly others: readonly { readonly name: string; readonly age: number }[];
  /** Some are not heard of. */
  readonly isLate: boolean;
  readonly sent: number;
  readonly taken: number;
  /** Notes of this gateway that did not get through. */
  readonly failures: number;
  /** Notes that were not taken, by why. */
  readonly refused: readonly (readonly [why: string, count: number])[];
}

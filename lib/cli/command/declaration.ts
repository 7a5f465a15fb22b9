// What a command says of itself: reading its arguments, its help and its completion come from this.

import type { Flags } from "./flag.ts";

/** What may follow beside flags. */
export interface Operands {
  /** Stands for them in the help, such as "[FILE...]". */
  readonly placeholder: string;
  /** The words that there are, where they are few; else they are files. */
  readonly words?: readonly string[];
}

/** What a command says of itself. */
export interface Declaration<F extends Flags = Flags> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What stands above the flags in the help. */
  readonly about?: string;
  readonly flags: F;
  readonly operands?: Operands;
  /** What stands below the flags. */
  readonly details?: string;
  readonly examples: readonly string[];
}

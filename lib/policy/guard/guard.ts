// Somebody who is asked about texts: a model, a web service, a plugin.

import type { GuardQuestion, Verdict } from "./verdict.ts";

export interface Guard {
  /** Throws GuardFault where there is no verdict. Within its own time. */
  judge(question: GuardQuestion): Promise<Verdict>;
  close(): void;
}

/** One whose code is a file of the operator's: it is tried before it takes the place of an older one. */
export interface CodeGuard extends Guard {
  /** Loads it and has it look at an empty text; the stages it is there for. Throws GuardFault. */
  probe(): Promise<readonly GuardQuestion["stage"][]>;
  /** Once it is loaded, or has failed to be: its calls tell. */
  loaded(): Promise<void>;
}

export function isCode(guard: Guard): guard is CodeGuard {
  return "probe" in guard;
}

// Somebody who is asked about texts: a model, a web service, a plugin.

import type { GuardQuestion, Verdict } from "./verdict.ts";

export interface Guard {
  /** Throws GuardFault where there is no verdict. Within its own time. */
  judge(question: GuardQuestion): Promise<Verdict>;
  close(): void;
}

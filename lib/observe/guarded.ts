// Work that nobody waits for, or that must not keep what comes after it from its turn.

import { logger } from "./log.ts";

/** Does `work`; what goes wrong is logged as that of `what`. Never rejects. */
export async function guarded(what: string, work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    logger.error("internal error in {what}: {error}", { what, error });
  }
}

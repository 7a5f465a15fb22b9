// Asks a running gateway to fill limits up again, or to let a budget begin anew.

import { askGateway, isDone } from "../ask_gateway.ts";

const TIMEOUT_MS = 5000;

/** Throws an Error with what to do about it. */
export async function resetLimits(
  url: string,
  token: string | undefined,
  /** `budget`: the period of the one that is meant. */
  of: { kind: string; name: string; budget?: string },
): Promise<void> {
  await askGateway({ url, token }, "reset_limits", isDone, of, TIMEOUT_MS);
}

// A small question to the instance that is about to be asked for an answer: how it splits a text into
// tokens, how long its context is. The attempt puts it, within its own time limits.

import type { Json } from "../json/json.ts";

/**
 * Asks for `path` with a JSON body (GET where that is null), in which the model gets the name that the
 * instance knows it by. null for anything but a 200 with a JSON object. Throws
 * UpstreamError, also where the instance cannot answer just now.
 */
export type Question = (path: string, body: Json | null) => Promise<Json | null>;

/** What came of preparing an ask. */
export type Prepared =
  | "ready"
  /** This way is closed for this answer. */
  | "closed"
  /** Nothing is left to ask for: these events end the answer. */
  | { end: string };

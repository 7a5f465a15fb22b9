// Where bodies are counted in tests that are about something else.

import type { BodyHold } from "../../lib/http/client.ts";

/** There is always room. */
export const ANY_BODY: BodyHold = { take: () => null };

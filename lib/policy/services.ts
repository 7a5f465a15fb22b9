// What policies need of the rest of the program: who counts tokens, who can be asked. The server has them.

import type { Json } from "../json/json.ts";
import type { Guard } from "./guard/guard.ts";
import type { TokenCounter } from "./prompt/context.ts";

export interface PolicyServices {
  counterOf(model: string): TokenCounter;
  /** The longest context that an instance of the model has; null where none tells. */
  contextOf(model: string): number | null;
  /** Asks a model of this gateway's for a chat completion: the JSON of its answer. Throws GuardFault. */
  askModel(model: string, body: Json, timeoutMs: number): Promise<unknown>;
  /** The guard of the policy of that name. */
  guardOf(policy: string): Guard | undefined;
  now(): Date;
}

// What a record is made of, in no format yet.

import type { Message } from "../api/asked/conversation.ts";
import type { Json } from "../json/json.ts";

/** One conversation with its answer. */
export interface Conversation {
  id: string;
  messages: Message[];
  tools: Json[];
  model: string;
  /** Seconds since 1970. */
  created: number;
  meta: Json;
}

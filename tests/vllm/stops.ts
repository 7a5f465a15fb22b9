// Answers that end at a stop string, broken off before and within it: the text, the reason and the figures are
// those of an answer that never broke. A tiny model's words are several tokens each.

import type { GatewayProcess } from "../support/processes.ts";
import { readSse } from "../support/sse.ts";
import { APIS, hear, streamed } from "./apis.ts";
import type { Scissors } from "./cutting_proxy.ts";
import { judge, post } from "./cuts.ts";
import { type Report, row } from "./report.ts";
import type { Server } from "./server.ts";

const TEXT = "Tell me about the sea";
/** Where a stop string begins in the whole answer, in parts of its length, and how long it is. */
const STOPS = [[0.3, 3], [0.5, 9], [0.7, 24]] as const;

/** What each API calls its stop strings; Responses has none. */
const FIELDS = new Map([["chat", "stop"], ["completions", "stop"], ["messages", "stop_sequences"]]);

/** Cuts answers with each stop string behind each of their events. */
export async function stops(
  gateway: GatewayProcess,
  server: Server,
  scissors: Scissors,
  report: Report,
): Promise<void> {
  for (const api of APIS) {
    const field = FIELDS.get(api.name);
    if (field === undefined) continue;
    const into = row("cut about a stop string", api.name);
    report.rows.push(into);
    const plain = streamed(api, TEXT, 0);
    const { text } = hear(api, await readSse(await post(server.origin, api, plain)));
    for (const [part, length] of STOPS) {
      const begin = Math.floor(text.length * part);
      const stop = text.slice(begin, begin + length);
      const body = { ...plain, [field]: [stop] };
      const answer = await readSse(await post(server.origin, api, body));
      const reference = hear(api, answer);
      for (let at = 1; at < answer.events.length - 1; at++) {
        scissors.arm(at, "reset");
        const heard = hear(api, await readSse(await gateway.post(api.path, body)));
        scissors.disarm();
        const odd = judge(into, heard, reference, false);
        if (odd) {
          report.notes.push(`${into.trial}, ${api.name}, ${JSON.stringify(stop)} at ${at}: ${odd}`);
        }
      }
    }
  }
}

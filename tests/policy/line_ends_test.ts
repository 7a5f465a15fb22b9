// Events whose lines end in any of the three ways that readers of events know, several of them in one piece:
// none of them goes past the words that are looked for.

import assert from "node:assert/strict";
import { filterOf, rulesOf } from "./filtered.ts";
import { APIS, Listener, spoken } from "./spoken.ts";
import { joined } from "../../lib/http/joined.ts";

const ENDS = ["\n", "\r\n", "\r"];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The events with these ends of lines, in turn. */
function ending(events: readonly Uint8Array[], ends: readonly string[]): Uint8Array[] {
  return events.map((event, index) =>
    encoder.encode(decoder.decode(event).replaceAll("\n", ends[index % ends.length]))
  );
}

for (const api of APIS) {
  for (const first of ENDS) {
    for (const second of ENDS) {
      const name = JSON.stringify(`${first}, ${second}`);
      Deno.test(`${api}: words are found where lines end by ${name}, whatever comes together`, () => {
        const said = ["all ", "is ", "sec", "ret", " and ", "secret", " here"];
        const events = ending(spoken(api, said), [first, second]);
        for (const together of [1, 2, 3, events.length]) {
          const filter = filterOf(rulesOf({ words: ["secret"], action: "mask" }), api);
          const client = new Listener(api);
          for (let at = 0; at < events.length; at += together) {
            const shown = filter.take(joined(events.slice(at, at + together)));
            client.hear(usualEnds(shown));
          }
          client.hear(usualEnds(filter.flush()));
          assert.doesNotMatch(client.raw, /secret|"sec"|"ret"/);
          assert.equal(client.text, "all is ****** and ****** here");
        }
      });
    }
  }
}

function usualEnds(bytes: Uint8Array): Uint8Array {
  return encoder.encode(decoder.decode(bytes).replace(/\r\n?/g, "\n"));
}

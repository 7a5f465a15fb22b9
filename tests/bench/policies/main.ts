// What a chunk costs in the stage of policies: 200 streams in turn, 20,000 words, texts that seldom say one.
// Time of this isolate's own, no sockets: `deno task bench:policies`, best on a machine that does nothing else.

import { parseArgs } from "node:util";
import type { Api } from "../../../lib/api/dialects.ts";
import { EventStore } from "../../../lib/sse/event_store.ts";
import { phrases } from "../../fuzz/policies/generate.ts";
import { Random } from "../../fuzz/random.ts";
import { filterOf, rulesOf } from "../../policy/filtered.ts";
import { APIS } from "../../policy/spoken.ts";
import { chunks, PROSE } from "./chunks.ts";

const { values } = parseArgs({
  options: {
    streams: { type: "string", default: "200" },
    words: { type: "string", default: "20000" },
    rounds: { type: "string", default: "9" },
  },
});
const streams = Number(values.streams);
const said = Object.values(PROSE).map((tokens) => tokens.join("").toLowerCase());
// None of them is said: what a match costs is another question.
const list = phrases(Number(values.words), new Random(1, -1))
  .filter((phrase) => !said.some((text) => text.includes(phrase)));
const began = performance.now();
const rules = rulesOf({ words: list, action: "mask" });
console.log(`${list.length} phrases compiled in ${(performance.now() - began).toFixed(0)} ms`);

for (const api of APIS) {
  for (const [language, prose] of Object.entries(PROSE)) {
    const times: number[] = [];
    let held = 0;
    let count = 0;
    const all = streamsOf(api, prose);
    // As the gateway keeps them for the record, whether policies look at them or not.
    const stores = all.map(kept);
    for (let round = 0; round < Number(values.rounds); round++) {
      const filters = stores.map((generated) => filterOf(rules, api, { generated }));
      held = count = 0;
      const start = performance.now();
      for (let at = 0; at < all[0].length; at++) {
        for (let one = 0; one < all.length; one++) {
          const event = all[one][at];
          count++;
          if (filters[one].take(event).length === 0) held++;
        }
      }
      times.push((performance.now() - start) * 1000 / count);
    }
    times.sort((a, b) => a - b);
    const best = times[0].toFixed(2);
    const usual = times[Math.floor(times.length / 2)].toFixed(2);
    console.log(
      `${api.padEnd(12)} ${language.padEnd(8)} ${best} µs a chunk, ${usual} as a rule; ` +
        `${(100 * held / count).toFixed(1)} % waited`,
    );
  }
}

function kept(events: readonly Uint8Array[]): EventStore {
  const store = new EventStore(1 << 20);
  for (const event of events) store.push(event, 0, event.length);
  return store;
}

/** Chunks of that many answers, each with another id and another part of the prose. */
function streamsOf(api: Api, prose: readonly string[]): Uint8Array[][] {
  return Array.from({ length: streams }, (_, stream) => {
    const from = (stream * 37) % prose.length;
    const said = [...prose.slice(from), ...prose.slice(0, from)];
    return chunks(api, said.slice(0, 150), stream);
  });
}

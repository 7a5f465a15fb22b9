// What a chunk costs in the stage of policies: 200 streams in turn, 20,000 words, texts that seldom say one.
// Time of this isolate's own, no sockets: `deno task bench:policies`, best on a machine that does nothing else.

import { parseArgs } from "node:util";
import type { Api } from "../../../lib/api/dialects.ts";
import type { AnswerFilter } from "../../../lib/policy/answer/filter.ts";
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
    const all = streamsOf(api, prose);
    for (let round = 0; round < Number(values.rounds); round++) {
      const before = timeOf(all, () => null);
      const [stage, count, waited] = timeOf(
        all,
        (generated) => filterOf(rules, api, { generated }),
      );
      held = waited / count;
      times.push((stage - before[0]) * 1000 / count);
    }
    times.sort((a, b) => a - b);
    const best = times[0].toFixed(2);
    const usual = times[Math.floor(times.length / 2)].toFixed(2);
    console.log(
      `${api.padEnd(12)} ${language.padEnd(8)} ${best} µs a chunk, ${usual} as a rule; ` +
        `${(100 * held).toFixed(1)} % waited`,
    );
  }
}

/**
 * Milliseconds for all events, their number, and how many waited. Each is kept for the record first, as the
 * gateway does whether policies look at it or not.
 */
function timeOf(
  all: readonly (readonly Uint8Array[])[],
  filterFor: (generated: EventStore) => AnswerFilter | null,
): [number, number, number] {
  const stores = all.map(() => new EventStore(1 << 20));
  const filters = stores.map(filterFor);
  let held = 0;
  let count = 0;
  const start = performance.now();
  for (let at = 0; at < all[0].length; at++) {
    for (let one = 0; one < all.length; one++) {
      const event = all[one][at];
      stores[one].push(event, 0, event.length);
      count++;
      if (filters[one]?.take(event).length === 0) held++;
    }
  }
  return [performance.now() - start, count, held];
}

/** Chunks of that many answers, each with another id and another part of the prose. */
function streamsOf(api: Api, prose: readonly string[]): Uint8Array[][] {
  return Array.from({ length: streams }, (_, stream) => {
    const from = (stream * 37) % prose.length;
    const said = [...prose.slice(from), ...prose.slice(0, from)];
    return chunks(api, said.slice(0, 150), stream);
  });
}

// Generated texts in pieces through the stage of policies, in each API, streamed and whole, against what
// the plain way finds. A text that is shown too early is a leak, one that is shown too late a false hold.

import type { Api } from "../../../lib/api/dialects.ts";
import { filteredBody } from "../../../lib/policy/answer/whole.ts";
import { PolicyTrail } from "../../../lib/policy/trail.ts";
import { EventStore } from "../../../lib/sse/event_store.ts";
import { filterOf, rulesOf } from "../../policy/filtered.ts";
import {
  APIS,
  CUT,
  heardOf,
  Listener,
  spoken,
  spokenWhole,
  type Write,
} from "../../policy/spoken.ts";
import { Random } from "../random.ts";
import { type Action, Expected } from "./expected.ts";
import { phrases, pieces, text, written } from "./generate.ts";

export interface Counts {
  texts: number;
  events: number;
  /** Texts with something in them that is acted on. */
  found: number;
  leaks: number;
  falseHolds: number;
  /** Streams whose outcome is not that of the body, or a body whose is not the expected one. */
  differences: number;
  /** What went wrong first. */
  first: string | null;
}

const ACTIONS: readonly Action[] = ["cut", "mask", "replace"];
const decoder = new TextDecoder();
const REPLACEMENT = "[…]";
const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
/** As JavaScript writes JSON, as Python does, and all in escapes. */
const WRITERS: readonly Write[] = [
  (said) => JSON.stringify(said),
  (said) => JSON.stringify(said).replace(/[\u0080-\uffff]/g, escaped),
  (said) => `"${said.split("").map(escaped).join("")}"`,
];

/** `count` texts from the `from`-th on, against `phraseCount` phrases. */
export function runCases(
  seed: number,
  { phraseCount, from = 0, count, onCase = () => {} }: {
    phraseCount: number;
    from?: number;
    count: number;
    onCase?: (index: number) => void;
  },
): Counts {
  const list = phrases(phraseCount, new Random(seed, -1));
  const expected = new Expected(list, REPLACEMENT);
  const rules = {
    cut: rulesOf({ words: list, action: "cut" }),
    mask: rulesOf({ words: list, action: "mask" }),
    replace: rulesOf({ words: list, action: "replace", replacement: REPLACEMENT }),
  };
  const counts: Counts = {
    texts: 0,
    events: 0,
    found: 0,
    leaks: 0,
    falseHolds: 0,
    differences: 0,
    first: null,
  };
  for (let index = from; index < from + count; index++) {
    onCase(index);
    const random = new Random(seed, index);
    const said = written(text(list, 20 + random.below(160), random), random);
    const action = random.pick(ACTIONS);
    const api = random.pick(APIS);
    const wrong = (kind: "leaks" | "falseHolds" | "differences", how: string) => {
      counts[kind]++;
      counts.first ??= `text ${index}, ${api}, ${action}: ${kind}: ${how}`;
    };
    const whole = expected.whole(said, action);
    counts.texts++;
    if (expected.groups(said).length > 0) counts.found++;
    const all = pieces(said.raw, random);
    const events = spoken(api, all, random.pick(WRITERS));
    const generated = new EventStore(1 << 20);
    const filter = filterOf(rules[action], api, { generated });
    const client = new Listener(api);
    /** The event after which the record is looked at, as where the client leaves. */
    const leaves = random.below(events.length * 2);
    const before = events.length - all.length - TAIL[api];
    const boundaries: number[] = [];
    let came = 0;
    for (const [at, event] of events.entries()) {
      generated.push(event, 0, event.length);
      client.hear(filter.take(event));
      counts.events++;
      if (at === leaves && decoder.decode(filter.shown.bytes()) !== client.raw) {
        wrong("differences", `the record after event ${at}`);
      }
      const piece = all[at - before];
      if (piece === undefined) continue;
      boundaries.push(came += piece.length);
      if (client.end !== null && !filter.isOver) continue;
      const now = expected.soFar(said, action, came, boundaries);
      if (client.text !== now.text) {
        const kind = now.text.startsWith(client.text) ? "falseHolds" : "leaks";
        wrong(kind, JSON.stringify({ came, shown: client.text, expected: now.text }));
        break;
      }
      if (now.isCut !== filter.isOver) {
        wrong(filter.isOver ? "leaks" : "falseHolds", `cut: ${filter.isOver} after ${came}`);
        break;
      }
      if (now.isCut) break;
    }
    client.hear(filter.flush());
    if (decoder.decode(filter.shown.bytes()) !== client.raw) wrong("differences", "the record");
    if (client.text !== whole.text || (client.end === CUT[api]) !== whole.isCut) {
      wrong("differences", JSON.stringify({ streamed: client.text, expected: whole.text }));
    }
    const body = spokenWhole(api, said.raw);
    const heard = heardOf(api, filteredBody(rules[action], api, body, new PolicyTrail()).body);
    if (heard.text !== whole.text || (heard.end === CUT[api]) !== whole.isCut) {
      wrong("differences", JSON.stringify({ whole: heard.text, expected: whole.text }));
    }
    if (whole.isCut) continue;
    for (const part of client.raw.matchAll(/"text":"((?:[^"\\]|\\.)*)"/g)) {
      const copy: string = JSON.parse(`"${part[1]}"`);
      if (api === "responses" && copy !== "" && copy !== whole.text) {
        wrong("leaks", `a copy says ${JSON.stringify(copy)}`);
      }
    }
  }
  return counts;
}

/** Events behind the last piece. */
const TAIL: Readonly<Record<Api, number>> = { chat: 2, completions: 2, responses: 4, messages: 3 };

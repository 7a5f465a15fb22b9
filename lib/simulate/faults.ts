// What can go wrong on demand: how a fault is written, and which request meets one. Doing it is left
// to early_faults.ts (before an answer), event_stream.ts and engine.ts (within one), life.ts (beside).

/** Every kind of fault and what its number means; kinds without one take none. */
export const FAULT_KINDS: Record<string, { number: string | null; says: string }> = {
  "refuse": { number: "seconds", says: "stops listening for so many seconds (for good without)" },
  "hang": { number: null, says: "accepts and never answers" },
  "hang-headers-sent": { number: null, says: "status and headers, then nothing" },
  "reset": { number: null, says: "TCP reset before the head" },
  "close": { number: null, says: "closes the connection before the head" },
  "400": { number: null, says: "answers 400" },
  "429": { number: null, says: "answers 429 (retry-after=S)" },
  "500": { number: null, says: "answers 500" },
  "503": { number: null, says: "answers 503 (retry-after=S)" },
  "full": { number: null, says: "503 of a full vLLM, without Retry-After" },
  "full-event": { number: null, says: "the same as first event of a stream of status 200" },
  "draining": { number: null, says: "500 of a vLLM that finishes what runs and takes no more" },
  "terminate": { number: "seconds", says: "SIGTERM: runs on for so many seconds, aborts, ends" },
  "engine-hung": { number: null, says: "no token from now on, /health 200, until reset" },
  "asleep": { number: null, says: "the same, and the metrics say so" },
  "paused": { number: null, says: "the same, and the metrics do not" },
  "engine-killed": { number: "seconds", says: "then error events, 500, /health 503, soon closed" },
  "engine-dead": { number: null, says: "500 EngineCore from now on, /health 503, until reset" },
  "cut": { number: "chunks", says: "connection closed after so many chunks with tokens" },
  "cut-reset": { number: "chunks", says: "connection reset after so many chunks" },
  "cut-clean": { number: "chunks", says: "proper end after so many chunks, without a finish" },
  "stall": { number: "chunks", says: "nothing more after so many chunks, connection kept" },
  "error-event": { number: "chunks", says: "an error event and [DONE] after so many chunks" },
  "abort": { number: "chunks", says: 'finish_reason "abort" after so many tokens' },
  "malformed": { number: "chunks", says: "one broken JSON event after so many chunks" },
  "empty": { number: null, says: "200 with an empty body" },
  "empty-done": { number: null, says: "200 with nothing but [DONE]" },
  "slow-head": { number: null, says: "the head comes a few bytes at a time" },
  "split": { number: null, says: "the answer comes in odd pieces, within UTF-8 too" },
  "drip": { number: null, says: "the answer comes byte by byte" },
};

const SERVER_FAULTS = [
  ...["refuse", "terminate", "engine-dead", "engine-killed", "engine-hung", "asleep", "paused"],
];

/** True for faults that befall the whole server, not a request. */
export function isServerFault(kind: string): boolean {
  return SERVER_FAULTS.includes(kind);
}

/** A fault as it is met. */
export interface Fault {
  kind: string;
  /** Chunks or seconds; null where none was given. */
  number: number | null;
  retryAfterS: number | null;
}

/** A fault and how often it is met. */
export interface FaultRule extends Fault {
  /** Requests that will still meet it; null for any number. */
  count: number | null;
  /** Share of requests that meet it. */
  probability: number;
  /** Paths it is for, by their beginning; null for all that ask the model. */
  path: string | null;
  /** What a request's body holds that meets it; null for any. */
  word: string | null;
}

/**
 * Reads `KIND[:NUMBER][:PROBABILITY|:COUNT][:retry-after=S][:path=/P][:word=W]`. A kind that needs a number
 * takes the first (0 chunks without); after that a number with a point is a probability, one without a count.
 * Throws RangeError with what was expected.
 */
export function parseFault(text: string): FaultRule {
  const [kind, ...parts] = text.trim().split(":");
  const known = Object.hasOwn(FAULT_KINDS, kind) ? FAULT_KINDS[kind] : undefined;
  if (!known) {
    throw new RangeError(
      `unknown fault "${kind}"; there are ${Object.keys(FAULT_KINDS).join(", ")}`,
    );
  }
  const rule: FaultRule = {
    kind,
    number: known.number === "chunks" ? 0 : null,
    retryAfterS: null,
    count: null,
    probability: 1,
    path: null,
    word: null,
  };
  let numbered = known.number === null;
  for (const part of parts) {
    const value = Number(part);
    if (part.startsWith("retry-after=")) {
      rule.retryAfterS = Number(part.slice("retry-after=".length));
      if (!(rule.retryAfterS >= 0)) {
        throw new RangeError(`fault "${text}": expected seconds after retry-after=`);
      }
    } else if (part.startsWith("path=/")) {
      rule.path = part.slice("path=".length);
    } else if (part.startsWith("word=") && part.length > "word=".length) {
      rule.word = part.slice("word=".length);
    } else if (part === "" || !(value >= 0)) {
      throw new RangeError(`fault "${text}": expected a number, not "${part}"`);
    } else if (!numbered) {
      numbered = true;
      rule.number = value;
    } else if (part.includes(".")) {
      if (value > 1) throw new RangeError(`fault "${text}": a probability is at most 1.0`);
      rule.probability = value;
    } else {
      rule.count = value;
    }
  }
  return rule;
}

/**
 * Whether it befalls the whole server as soon as it is given, and not with the first request that meets it.
 * "engine-dead" comes with one, as those do that wait for a word.
 */
export function befallsAtOnce({ kind, word }: FaultRule): boolean {
  return isServerFault(kind) && kind !== "engine-dead" && word === null;
}

const decoder = new TextDecoder();

/** The faults of one instance. */
export class Faults {
  #rules: FaultRule[];

  constructor(rules: readonly FaultRule[], private readonly random: () => number = Math.random) {
    this.#rules = rules.map((rule) => ({ ...rule }));
  }

  add(rule: FaultRule): void {
    this.#rules.push({ ...rule });
  }

  clear(): void {
    this.#rules = [];
  }

  /** The rules in force, as /simulate/fail shows them. */
  list(): readonly FaultRule[] {
    return this.#rules;
  }

  /** The fault that a request for `path` meets, or null; counts it. */
  meet(path: string, asksModel: boolean, body: Uint8Array): Fault | null {
    for (const rule of this.#rules) {
      if (rule.path === null ? !asksModel : !path.startsWith(rule.path)) continue;
      if (rule.path === null && isWithinAnswer(rule) && !generates(path)) continue;
      if (rule.word !== null && !decoder.decode(body).includes(rule.word)) continue;
      if (rule.probability < 1 && this.random() >= rule.probability) continue;
      if (rule.count !== null && --rule.count <= 0) {
        this.#rules = this.#rules.filter((other) => other !== rule);
        if (rule.count < 0) continue;
      }
      return { kind: rule.kind, number: rule.number, retryAfterS: rule.retryAfterS };
    }
    return null;
  }
}

/** Met after some chunks, which a small question does not have. */
function isWithinAnswer({ kind }: Fault): boolean {
  return FAULT_KINDS[kind]?.number === "chunks";
}

function generates(path: string): boolean {
  return path !== "/tokenize" && path !== "/detokenize";
}

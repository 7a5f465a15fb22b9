// One case of the fuzzer: bytes, a random cut of them, and what must hold of both. A case that fails
// throws a Finding with everything that repeats it.

import { SseObserver } from "../../lib/sse/observer.ts";
import { ChunkedDecoder } from "../../lib/http/chunked.ts";
import { HttpSyntaxError } from "../../lib/http/syntax_error.ts";
import { JsonSyntaxError, topLevelFields } from "../../lib/server/json_fields.ts";
import { EventStore } from "../../lib/sse/event_store.ts";
import { CLOSELY } from "../../lib/sse/flags.ts";
import { anyEventEnd } from "../../lib/sse/framing.ts";
import { meaningOf } from "../../lib/sse/meaning.ts";
import { parseEvents } from "../../lib/sse/parse.ts";
import { inspect } from "../../lib/sse/scan.ts";
import { bytesOf, cutAt, latin1, receive, type Received, serve } from "../http/scripted.ts";
import {
  chunked,
  cuts,
  mutated,
  noise,
  object,
  oddStream,
  requests,
  response,
  stream,
} from "./generate.ts";
import { Random } from "./random.ts";
import * as reference from "./reference.ts";

/** A case that did not hold. */
export class Finding extends Error {
  override readonly name = "Finding";
  constructor(kind: string, text: string, offsets: readonly number[], got: unknown, want: unknown) {
    super(
      `${kind}\n  bytes ${bytesOf(text).toHex()}\n  text  ${JSON.stringify(text)}\n` +
        `  cut at ${offsets.join(",")}\n  got   ${JSON.stringify(got)}\n  want  ${
          JSON.stringify(want)
        }`,
    );
  }
}

const LIMIT_BYTES = 1 << 16;
const METHODS = ["POST", "POST", "GET", "HEAD"];

type Case = (random: Random) => void | Promise<void>;

function bytesFor(
  random: Random,
  valid: (random: Random) => string,
): [text: string, valid: boolean] {
  const kind = random.below(8);
  if (kind < 3) return [valid(random), true];
  return [kind < 7 ? mutated(random, valid(random)) : noise(random), false];
}

async function requestCase(random: Random): Promise<void> {
  const [text] = bytesFor(random, requests);
  const offsets = cuts(random, text.length);
  const want = reference.served(text, LIMIT_BYTES).join("\n");
  const bytes = bytesOf(text);
  for (const at of [[], offsets]) {
    const got = (await serve(cutAt(bytes, at), LIMIT_BYTES))
      .map((seen) => typeof seen === "number" ? "refused" : seen).join("\n");
    // A WebSocket is refused although its request is well-formed: too rare to be worth a rule.
    if (got !== want && !/websocket/i.test(text)) {
      throw new Finding("requests", text, at, got, want);
    }
  }
}

async function responseCase(random: Random): Promise<void> {
  const [text] = bytesFor(random, response);
  const method = random.pick(METHODS);
  const offsets = cuts(random, text.length);
  const want = reference.received(text, method);
  const bytes = bytesOf(text);
  let whole = "";
  for (const at of [[], offsets]) {
    const got = await receive(cutAt(bytes, at), method);
    const state = "fault" in got ? got.fault : "whole";
    // Data before a fault may or may not have been given on, but never other data.
    const right = state === want.state && got.status === want.status &&
      (state === "whole" ? got.body === want.data : want.data.startsWith(got.body));
    if (!right) throw new Finding(`response to ${method}`, text, at, got, want);
    const summary = JSON.stringify(withoutPartialBody(got));
    if (at === offsets) {
      if (summary !== whole) throw new Finding(`response to ${method}`, text, at, summary, whole);
    } else whole = summary;
  }
}

function withoutPartialBody(got: Received): Received {
  return "fault" in got ? { ...got, body: "" } : got;
}

function chunkedCase(random: Random): void {
  const [text] = bytesFor(random, (random) => chunked(random) + (random.once(4) ? "GET /" : ""));
  const offsets = cuts(random, text.length);
  const want = reference.chunkedBody(text);
  const bytes = bytesOf(text);
  for (const at of [[], offsets]) {
    const got = decode(cutAt(bytes, at));
    const right = got.state === want.state && got.rest === want.rest &&
      (got.state === "malformed" ? want.data.startsWith(got.data) : got.data === want.data);
    if (!right) throw new Finding("chunked", text, at, got, want);
  }
}

function decode(pieces: readonly Uint8Array[]): reference.Body {
  const decoder = new ChunkedDecoder();
  let data = "";
  let rest = "";
  try {
    for (const piece of pieces) {
      let at = 0;
      // What stands before a fault is given out first.
      while (at < piece.length && !decoder.done) {
        data += latin1(decoder.decode(piece, at, piece.length));
        at = decoder.consumed;
      }
      rest += latin1(piece.subarray(at));
    }
  } catch (error) {
    if (!(error instanceof HttpSyntaxError)) throw error;
    return { state: "malformed", data, rest: "" };
  }
  return decoder.done ? { state: "whole", data, rest } : { state: "short", data, rest: "" };
}

function streamCase(random: Random): void {
  const [text, valid] = bytesFor(random, stream);
  const offsets = cuts(random, text.length);
  const bytes = bytesOf(text);
  const whole = observe(cutAt(bytes, []));
  const summary = JSON.stringify(whole);
  for (const at of [offsets, atEvents(bytes)]) {
    const split = observe(cutAt(bytes, at));
    if (JSON.stringify(split) !== summary) throw new Finding("stream", text, at, split, whole);
  }
  checkKept(text, whole);
  if (!text.startsWith(whole.passed)) throw new Finding("passed", text, [], whole, "a prefix");
  if (!valid) return;
  const want = reference.observed(text);
  if (
    whole.passed !== want.passed || whole.finishes !== want.finishes ||
    (whole.fault !== undefined) !== want.fault
  ) throw new Finding("meaning of a stream", text, [], whole, want);
}

/** Cut where the events end, as most servers send them. */
function atEvents(bytes: Uint8Array): number[] {
  const ends: number[] = [];
  for (let end = anyEventEnd(bytes, 0, bytes.length); end >= 0;) {
    ends.push(end);
    end = anyEventEnd(bytes, end, bytes.length);
  }
  return ends;
}

/** What is kept of a stream are the events that went by until `[DONE]`, without those that say nothing. */
function checkKept(text: string, { kept, passed, rest }: ReturnType<typeof observe>): void {
  const want = dataUntilDone(passed + rest);
  const got = dataUntilDone(kept);
  if (got !== want) throw new Finding("kept events", text, [], got, want);
}

function dataUntilDone(text: string): string {
  const data = reference.events(text).map((event) => event.data.trim());
  const done = data.indexOf("[DONE]");
  const until = done < 0 ? data : data.slice(0, done + 1);
  return until.filter((data) => !/^(|null|false|-?0|""|\[\s*\])$/.test(data)).join("|");
}

function observe(pieces: readonly Uint8Array[]) {
  const observer = new SseObserver(true, 1, new EventStore(1 << 20));
  let passed = "";
  for (const piece of pieces) {
    passed += latin1(observer.take(piece));
    // A connection uses its memory again: what is kept must be a copy.
    piece.fill(0x58);
  }
  const { pending } = observer;
  const rest = latin1(observer.end());
  return {
    passed,
    rest,
    kept: latin1(observer.store!.bytes()),
    count: observer.store!.count,
    finishes: observer.finishes,
    done: observer.done,
    meaningful: observer.meaningful,
    progress: observer.progress,
    pieces: observer.pieces,
    complete: observer.isComplete,
    pending: [pending, observer.pending],
    usage: observer.usage,
    fault: observer.fault?.kind,
    message: observer.fault?.message,
  };
}

/** A stream in whatever form: the scanner, the plain reader and a third one read the same in it. */
function eventsCase(random: Random): void {
  const [text, valid] = bytesFor(random, oddStream);
  const offsets = cuts(random, text.length);
  const bytes = bytesOf(text);
  const whole = observe(cutAt(bytes, []));
  const summary = JSON.stringify(whole);
  for (const at of [offsets, atEvents(bytes)]) {
    const split = observe(cutAt(bytes, at));
    if (JSON.stringify(split) !== summary) throw new Finding("events", text, at, split, whole);
  }
  checkKept(text, whole);
  const want = reference.events(utf8.decode(bytes));
  const got = eventsOf(bytes);
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Finding("read", text, [], got, want);
  const blocks: reference.Event[] = [];
  for (let start = 0; start < bytes.length;) {
    const next = anyEventEnd(bytes, start, bytes.length);
    const end = next < 0 ? bytes.length : next;
    const events = eventsOf(bytes.subarray(start, end));
    if (events.length > 1) throw new Finding("framed", text, [start, end], events, "one event");
    blocks.push(...events);
    if (valid && events.length === 1) {
      const flags = inspect(bytes, start, end) & ~CLOSELY;
      const meant = meaningOf(events[0].name, events[0].data);
      if (flags !== meant) throw new Finding("flags", text, [start, end], flags, meant);
    }
    start = end;
  }
  if (JSON.stringify(blocks) !== JSON.stringify(want)) {
    throw new Finding("framed", text, [], blocks, want);
  }
  if (!valid) return;
  const meant = reference.seen(want);
  const { finishes, done, progress, pieces } = whole;
  const seen = { fault: whole.fault !== undefined, finishes, done, progress, pieces };
  if (JSON.stringify(seen) !== JSON.stringify(meant)) {
    throw new Finding("meaning of events", text, [], seen, meant);
  }
}

function eventsOf(bytes: Uint8Array): reference.Event[] {
  return [...parseEvents(bytes)].map(({ event, data }) => ({ name: event ?? "", data }));
}

function storeCase(random: Random): void {
  const store = new EventStore(random.once(4) ? 64 + random.below(2000) : 1 << 20);
  const pushed: string[] = [];
  let text = noise(random);
  for (let left = random.below(12); left > 0; left--) {
    text = random.once(5) ? noise(random) : mutated(random, text);
    const around = bytesOf(`##${text}##`);
    store.push(around, 2, around.length - 2);
    if (store.count > pushed.length) pushed.push(text);
    else if (!store.truncated) throw new Finding("store", text, [], "lost", "kept");
    around.fill(0);
  }
  const got = [...EventStore.unpack(structuredClone(store.pack())).events()].map(latin1);
  if (got.join("|") !== pushed.join("|")) throw new Finding("store", text, [], got, pushed);
}

const WANTED = ["model", "stream", "n"];
const WANTED_SET = new Set(WANTED);
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** What routing reads in a body is what a JSON parser reads there, whatever the instance's is. */
function jsonCase(random: Random): void {
  const [text] = bytesFor(random, object);
  const bytes = bytesOf(text);
  const parsed = parseObject(utf8.decode(bytes));
  let spans: ReturnType<typeof topLevelFields>;
  try {
    spans = topLevelFields(bytes, WANTED_SET);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    if (parsed !== null) throw new Finding("json", text, [], error.message, "taken");
    return;
  }
  // Malformed escapes and the like inside of values are left to the instance.
  if (parsed === null) return;
  for (const key of WANTED) {
    const span = spans.get(key)?.at(-1);
    const got = span &&
      JSON.stringify(JSON.parse(utf8.decode(bytes.subarray(span.start, span.end))));
    const want = Object.hasOwn(parsed, key) ? JSON.stringify(parsed[key]) : undefined;
    if (got !== want) throw new Finding(`json ${key}`, text, [], got, want);
  }
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const parsed = JSON.parse(text);
    return parsed !== null && typeof parsed === "object" && !Array.isArray(parsed) ? parsed : null;
  } catch {
    // Not JSON: routing need not read it.
    return null;
  }
}

const CASES: readonly Case[] = [
  requestCase,
  responseCase,
  chunkedCase,
  streamCase,
  eventsCase,
  storeCase,
  jsonCase,
];

/**
 * Runs cases `from` to `from + count` - 1 of a seed. Rejects with the first Finding, or whatever else a
 * case threw, its number in the message. `onCase` hears the number of each case before it runs.
 */
export async function runCases(
  seed: number,
  from: number,
  count: number,
  onCase: (index: number) => void = () => {},
): Promise<void> {
  for (let index = from; index < from + count; index++) {
    onCase(index);
    try {
      const running = CASES[index % CASES.length](new Random(seed, index));
      if (running !== undefined) await running;
    } catch (error) {
      throw new Error(`case ${index} of seed ${seed}: ${error}`, { cause: error });
    }
  }
}

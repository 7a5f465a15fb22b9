// What came of one request: the account that its log line, record and metrics are made from. The loop in
// delivery.ts and what it calls write it, each attempt its own line where it ends; forward.ts and the gateway add
// what they alone know.

import { emptyList } from "../http/memory.ts";
import type { RequestOutcome } from "../observe/report.ts";
import type { TryOutcome } from "../observe/tally.ts";
import { joinedInOnePiece } from "../json/one_piece.ts";
import type { Receipt } from "../pool/balancing/receipt.ts";
import type { Json } from "../json/json.ts";
import type { EventStore } from "../sse/event_store.ts";
import type { Usage } from "../sse/usage.ts";

/** One attempt. `answered`: what it sent went to the client, as far as that stayed. */
export interface AttemptLog {
  instance: string;
  outcome: TryOutcome;
  status?: number;
  error?: string;
  /** performance.now() of its begin, of the proof of its answer, and of its end. */
  startedAt: number;
  firstAt?: number;
  endedAt: number;
}

/** A broken answer that went on: from where to where, how, and how many characters of it were there. */
export interface Resumed {
  from: string;
  to: string;
  way: string;
  atChars: number;
}

/** What a client has of its answer. */
export interface Delivered {
  readonly firstByteAt: number | null;
  readonly usage: Usage | null;
  /** A whole body; null where there is none. */
  readonly body: Uint8Array | null;
  /** What it says; null where nobody has parsed it. */
  readonly parsed: Json | null;
  /** The events of a stream; null where there is none. */
  readonly store: EventStore | null;
  /** The same where policies have changed what instances sent. */
  readonly shown: EventStore | null;
  /** What instances sent, whatever policies made of it. */
  readonly generated: Uint8Array | EventStore | null;
  readonly streamed: boolean;
  readonly pieces: number;
}

/** How a request ended; "failed" until something better is known. */
export class Account {
  outcome: RequestOutcome = "failed";
  /** Whether something is known. */
  isEnded = false;
  status = 0;
  /** Name of the instance that gave the answer, the last one where several did; "" when none did. */
  instance = "";
  /** Why that instance was chosen; "" where that is not known. */
  route = "";
  readonly attempts: AttemptLog[] = emptyList();
  /** performance.now() of the first byte to the client; null when there was none. */
  firstByteAt: number | null = null;
  error = "";
  /** Whether the gateway has counted the very tokens, since no instance told them. */
  isCounted = false;
  /** The instances whose engines died one after the other while they had it; null where it was not left for that. */
  killed: readonly string[] | null = null;
  /** For machines, why a request was refused that asked nobody; "" where that is not said. */
  reason = "";
  usage: Usage | null = null;
  /** The answer for the record: a whole body or the events of a stream. */
  response: Uint8Array | EventStore | null = null;
  /** The same before policies changed it. */
  generated: Uint8Array | EventStore | null = null;
  /** What a whole body says; null where nobody has parsed it. */
  parsed: Json | null = null;
  streamed = false;
  /** Milliseconds in line for an instance, or for a limit. */
  waitedMs = 0;
  /** Events of the stream that carried something; each a token, as a rule. */
  pieces = 0;
  readonly resumed: Resumed[] = emptyList();

  /** A request that was answered without asking any instance. */
  static rejected(status: number, error: string, reason = ""): Account {
    const account = new Account();
    account.reason = reason;
    account.end("rejected", status, error);
    return account;
  }

  attempted(log: AttemptLog): void {
    this.attempts.push(log);
  }

  /** `instance` gives the answer, for this reason; null where there was no choice to tell of. */
  routed(receipt: Receipt | null): void {
    this.route = receipt === null ? "" : joinedInOnePiece(receipt.short(this.attempts.length + 1));
  }

  /** `instance` gives the answer from here on. */
  answeredBy(instance: string, status: number): void {
    this.instance = instance;
    this.status = status;
  }

  /** The answer goes on at `to`, which gives it from here on. */
  goesOn(to: string, way: string, atChars: number): void {
    this.resumed.push({ from: this.instance, to, way, atChars });
    this.instance = to;
  }

  /** `error` in words fit for a client; "" where there is none. */
  end(outcome: RequestOutcome, status: number, error = ""): void {
    this.isEnded = true;
    this.outcome = outcome;
    this.status = status;
    this.error = error;
  }

  /** The client left, after whatever it has got. */
  left(): void {
    this.end("aborted", this.instance === "" ? 499 : this.status, "the client left");
  }

  counted(usage: Usage): void {
    this.usage = usage;
    this.isCounted = true;
  }

  settle(client: Delivered): void {
    this.firstByteAt = client.firstByteAt;
    this.usage = client.usage;
    this.streamed = client.streamed;
    this.pieces = client.pieces;
    // Where an API has no figures of its own, they are read out of it.
    if (client.body !== null) this.response = client.body;
  }

  /** What was answered, for the record: once the client has all that it gets. */
  keep(client: Delivered): void {
    this.response = client.body ?? client.shown ?? client.store;
    this.generated = client.generated;
    this.parsed = client.parsed;
  }
}

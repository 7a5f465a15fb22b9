// What gateways tell each other: how busy each keeps the instances, what was sent where since the last time,
// and how it is itself. As JSON, with the hashes as base64. What comes from outside is read here, within
// limits; who may send it is left to the ways it comes.

import { isObject } from "../json/json.ts";
import type { StoredEntry } from "../pool/memory/stored_memory.ts";
import { CHUNK_BYTES } from "../pool/prefix/chain.ts";

/** Gateways of another form or with other chunks cannot read each other, and do not try. */
export const FORM = `2 ${CHUNK_BYTES}`;
/** Longer notes are not read. */
export const MAX_NOTE_BYTES = 1024 * 1024;
/** Bytes of hashes in one note; what is more is left out. */
export const MAX_HASH_BYTES = 512 * 1024;
const MAX_ROWS = 1024;
const MAX_NAME = 200;
/** Of one prompt; no context is as long. */
const MAX_TOKENS = 1e9;

/** One instance as a gateway keeps it busy. */
export interface Load {
  /** A number that stands for its address (`Instance.addressKey`). */
  readonly address: number;
  readonly underWay: number;
  readonly unanswered: number;
  /** Prompt tokens to be computed. */
  readonly pending: number;
}

/** Chunks that an instance was sent, two words each. */
export interface Sent {
  readonly address: number;
  readonly hashes: Int32Array;
}

/** A session that an instance was sent, with the tokens of its prompt. */
export interface SessionPlace {
  readonly session: number;
  readonly address: number;
  readonly tokens: number;
}

/** For those who look at the fleet. */
export interface GatewayFigures {
  readonly version: string;
  readonly uptime_seconds: number;
  readonly in_flight: number;
  readonly waiting: number;
  readonly requests: number;
  readonly errors: number;
  readonly requests_per_second: number;
  readonly tokens_per_second: number;
}

export interface Note {
  /** Of the process; another one after each start. */
  readonly id: string;
  /** For people: host and port. */
  readonly name: string;
  /** Grows from note to note. */
  readonly number: number;
  /** All instances that are busy; what is not here is idle. */
  readonly loads: readonly Load[];
  readonly sent: readonly Sent[];
  readonly kept: readonly StoredEntry[];
  readonly sessions: readonly SessionPlace[];
  readonly figures: GatewayFigures;
  /** Its last word. */
  readonly isLast: boolean;
}

/** Why a note was not taken. */
export type NoteRefusal = "form" | "malformed" | "too_long" | "too_many";

export function encodeNote(note: Note): string {
  const { id, name, number, loads, sent, kept, sessions, figures, isLast } = note;
  return JSON.stringify({
    form: FORM,
    ...{ id, name, number, figures },
    loads: loads.map((load) => [load.address, load.underWay, load.unanswered, load.pending]),
    sent: sent.map(({ address, hashes }) => [address, base64Of(hashes)]),
    sessions: sessions.map(({ session, address, tokens }) => [session, address, tokens]),
    kept: kept.map(({ response, keeper, owner }) => [response, keeper, owner]),
    ...(isLast ? { last: true } : {}),
  });
}

/** The note in a text that may be anything. */
export function decodeNote(text: string): Note | NoteRefusal {
  if (text.length > MAX_NOTE_BYTES) return "too_long";
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Said by what is returned.
    return "malformed";
  }
  if (!isObject(value)) return "malformed";
  if (value.form !== FORM) return "form";
  const { id, name, number, last } = value;
  const loads = listOf(value.loads, loadIn);
  const sent = listOf(value.sent, sentIn);
  const kept = listOf(value.kept, keptIn);
  // Gateways that do not tell of sessions yet are understood all the same.
  const sessions = value.sessions === undefined ? [] : listOf(value.sessions, sessionIn);
  const figures = figuresIn(value.figures);
  const isWhole = isText(id) && isText(name) && isAmount(number) && loads !== null &&
    sent !== null && kept !== null && sessions !== null && figures !== null;
  if (!isWhole) return "malformed";
  return { id, name, number, loads, sent, kept, sessions, figures, isLast: last === true };
}

/** What there is to tell by one note where the one before did not get through. */
export function joined(before: Note, next: Note): Note {
  const sent = [...before.sent, ...next.sent];
  let bytes = sent.reduce((sum, { hashes }) => sum + hashes.byteLength, 0);
  // The newest is worth most.
  while (bytes > MAX_HASH_BYTES || sent.length > MAX_ROWS) bytes -= sent.shift()!.hashes.byteLength;
  const kept = [...before.kept, ...next.kept].slice(-MAX_ROWS);
  const sessions = [...before.sessions, ...next.sessions].slice(-MAX_ROWS);
  return { ...next, sent, kept, sessions };
}

function loadIn(row: unknown): Load | null {
  if (!Array.isArray(row) || row.length !== 4 || !row.every(isAmount)) return null;
  const [address, underWay, unanswered, pending] = row;
  return { address, underWay, unanswered, pending };
}

function keptIn(row: unknown): StoredEntry | null {
  if (!Array.isArray(row) || row.length !== 3 || !row.every(isAmount)) return null;
  const [response, keeper, owner] = row;
  return { response, keeper, owner };
}

function sessionIn(row: unknown): SessionPlace | null {
  if (!Array.isArray(row) || row.length !== 3 || !row.every(isAmount)) return null;
  const [session, address, tokens] = row;
  return { session, address, tokens: Math.min(tokens, MAX_TOKENS) };
}

function sentIn(row: unknown): Sent | null {
  if (!Array.isArray(row) || row.length !== 2 || !isAmount(row[0]) || typeof row[1] !== "string") {
    return null;
  }
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.fromBase64(row[1]);
  } catch {
    // No base64: the whole note is not as it should be.
    return null;
  }
  if (bytes.length % 8 !== 0) return null;
  return { address: row[0], hashes: new Int32Array(bytes.slice().buffer) };
}

function figuresIn(value: unknown): GatewayFigures | null {
  if (!isObject(value) || !isText(value.version)) return null;
  const amount = (name: string) => isAmount(value[name]) ? value[name] : 0;
  return {
    version: value.version,
    uptime_seconds: amount("uptime_seconds"),
    in_flight: amount("in_flight"),
    waiting: amount("waiting"),
    requests: amount("requests"),
    errors: amount("errors"),
    requests_per_second: amount("requests_per_second"),
    tokens_per_second: amount("tokens_per_second"),
  };
}

function listOf<T>(value: unknown, read: (row: unknown) => T | null): T[] | null {
  if (!Array.isArray(value) || value.length > MAX_ROWS) return null;
  const list: T[] = [];
  for (const row of value) {
    const one = read(row);
    if (one === null) return null;
    list.push(one);
  }
  return list;
}

/** Printable, since people and metrics are shown it. */
function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_NAME && /^[\x20-\x7e]+$/.test(value);
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}

function base64Of(hashes: Int32Array): string {
  return new Uint8Array(hashes.buffer, hashes.byteOffset, hashes.byteLength).toBase64();
}

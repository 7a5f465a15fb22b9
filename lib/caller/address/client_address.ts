// Whose request it is where proxies stand between: what they say of it, as far as they are trusted. Who
// may come in is left to the lists that the address is looked up in.

import type { HeaderList } from "../../http/message.ts";
import { AddressList, plainAddress } from "./address_list.ts";

/** A proxy's words for the addresses it has seen. */
const FORWARDED_FOR = "x-forwarded-for";
const FORWARDED = "forwarded";
/** What a proxy adds beside them; of a trusted one it tells nothing against the client. */
const PROXY_FIELDS = new Set([
  FORWARDED_FOR,
  FORWARDED,
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-server",
  "x-real-ip",
  "via",
]);

const LOOPBACK = new AddressList(["127.0.0.0/8", "::1"]);

/** Whom a request comes from. */
export interface Origin {
  /** The client's address in plain form; null where nobody who is trusted tells it. */
  readonly address: string | null;
  /** Whether a trusted proxy has told it. */
  readonly isForwarded: boolean;
}

/**
 * Whom a request of `peer` comes from: the rightmost address in X-Forwarded-For, or in Forwarded (RFC
 * 7239), that is no trusted proxy; the first where all are. What stands left of it may be the client's
 * invention. Where both fields are there, one of them is the client's own, unless they agree: then nobody
 * knows. Nobody does either where another host speaks of a loopback address, which is its own. `peer` is ""
 * on a socket that has no addresses.
 */
export function originOf(peer: string, headers: HeaderList, trusted: AddressList | null): Origin {
  const own = plainAddress(peer);
  if (trusted === null || !trusted.has(own)) return { address: own, isForwarded: false };
  const answers = forwardedIn(headers).map((told) => clientIn(own, told, trusted));
  if (answers.length === 0) return { address: own, isForwarded: false };
  const [address] = answers;
  return { address: answers.every((one) => one === address) ? address : null, isForwarded: true };
}

/** `headers` without what a trusted proxy adds. */
export function withoutProxyFields(headers: HeaderList): HeaderList {
  return headers.filter(([name]) => !PROXY_FIELDS.has(name));
}

/** The steps that a field names, the client's first, and how to read one: null for what is no address. */
interface Told {
  readonly steps: readonly string[];
  read(step: string): string | null;
}

function forwardedIn(headers: HeaderList): Told[] {
  const told: Told[] = [];
  const listed = valuesOf(headers, FORWARDED_FOR);
  if (listed.length > 0) {
    told.push({ steps: listed.flatMap((value) => value.split(",")), read: addressIn });
  }
  const elements = valuesOf(headers, FORWARDED);
  if (elements.length > 0) {
    const steps = elements.flatMap((value) => splitOutsideQuotes(value, ","));
    told.push({ steps, read: addressOfElement });
  }
  return told;
}

function valuesOf(headers: HeaderList, name: string): string[] {
  return headers.filter(([other]) => other === name).map(([, value]) => value);
}

/**
 * null where the chain of trust ends in something that is no address ("unknown", "_hidden", junk). Read from
 * the right only as far as it goes: what stands left of it costs nothing.
 */
function clientIn(peer: string | null, { steps, read }: Told, trusted: AddressList): string | null {
  let client = peer;
  let isHere = true;
  for (let at = steps.length;; at--) {
    if (client === null) return null;
    const isLoopback = LOOPBACK.has(client);
    if (isLoopback && !isHere) return null;
    isHere = isLoopback;
    if (at === 0 || !trusted.has(client)) return client;
    client = read(steps[at - 1]);
  }
}

/** An address as proxies write it: with a port, in brackets, in quotes; null for anything else. */
function addressIn(written: string): string | null {
  const text = written.trim().replace(/^"(.*)"$/, "$1");
  const bracketed = /^(\[[^\]]*\])(?::[\w.-]{1,20})?$/.exec(text);
  if (bracketed !== null) return plainAddress(bracketed[1]);
  const withPort = /^(\d{1,3}(?:\.\d{1,3}){3}):[\w.-]{1,20}$/.exec(text);
  return plainAddress(withPort === null ? text : withPort[1]);
}

/** One element of Forwarded: pairs between semicolons, whose values may be quoted. */
function addressOfElement(element: string): string | null {
  for (const pair of splitOutsideQuotes(element, ";")) {
    const named = /^\s*for\s*=([\s\S]*)$/i.exec(pair);
    if (named !== null) return addressIn(named[1]);
  }
  return null;
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts = [""];
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === separator && !quoted) {
      parts.push("");
      continue;
    }
    if (char === '"') quoted = !quoted;
    else if (char === "\\" && quoted && at + 1 < text.length) at++;
    parts[parts.length - 1] += text[at];
  }
  return parts;
}

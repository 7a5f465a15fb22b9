// Whether a name server has said that there is nothing, or that it could not find out. Deno's resolver
// tells both as NotFound, so the question is put once more, for the code in the head of its answer.

import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { Unusable } from "./source.ts";

/** Codes of the record types that are asked for (RFC 1035, RFC 3596, RFC 2782). */
const TYPES = { A: 1, AAAA: 28, SRV: 33 };
export type RecordType = keyof typeof TYPES;

export interface NameServer {
  readonly host: string;
  readonly port: number;
}

const NO_ERROR = 0;
const NO_SUCH_NAME = 3;
/** Other codes that are met (RFC 1035 4.1.1). */
const CODE_NAMES: Readonly<Record<number, string>> = {
  1: "FORMERR",
  2: "SERVFAIL",
  4: "NOTIMP",
  5: "REFUSED",
};

const RESOLV_CONF = "/etc/resolv.conf";

/** Throws Unusable unless the name is there without such a record, or is not there at all. */
export async function mustBeNothing(
  name: string,
  type: RecordType,
  server: NameServer | null,
  signal: AbortSignal,
): Promise<void> {
  const { servers, suffixes } = server === null
    ? await systems()
    : { servers: [server], suffixes: [] };
  // Nowhere to ask, as on Windows: what the resolver said has to do.
  if (servers.length === 0) return;
  const names = name.endsWith(".") ? [name] : [name, ...suffixes.map((end) => `${name}.${end}`)];
  const codes = await Promise.all(names.map((one) => codeOf(one, type, servers, signal)));
  const bad = codes.find((code) => code !== NO_ERROR && code !== NO_SUCH_NAME);
  if (bad === undefined || codes.includes(NO_ERROR)) return;
  throw new Unusable(`it answers ${CODE_NAMES[bad] ?? `with code ${bad}`}`);
}

/** Of the first that answers. */
async function codeOf(
  name: string,
  type: RecordType,
  servers: readonly NameServer[],
  signal: AbortSignal,
): Promise<number> {
  const answered = new AbortController();
  const either = AbortSignal.any([signal, answered.signal]);
  try {
    return await Promise.any(servers.map((server) => ask(name, type, server, either)));
  } catch (error) {
    // What waits for an event rejects with an error of its own, which does not say whose time was over.
    signal.throwIfAborted();
    throw error instanceof AggregateError ? error.errors[0] : error;
  } finally {
    answered.abort();
  }
}

/** By UDP, as the resolver asks; an answer that is cut has its head all the same. */
async function ask(
  name: string,
  type: RecordType,
  { host, port }: NameServer,
  signal: AbortSignal,
): Promise<number> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  try {
    // For whom to send to. Others may be heard all the same (Deno 2.9), and do not know the id.
    socket.connect(port, host);
    await once(socket, "connect", { signal });
    const id = randomInt(65_536);
    const errors = once(socket, "error", { signal }).then(([error]) => Promise.reject(error));
    socket.send(question(id, name, type));
    return await Promise.race([errors, code(id)]);
  } finally {
    socket.close();
  }

  async function code(id: number): Promise<number> {
    for (;;) {
      const [answer]: [Uint8Array] = await once(socket, "message", { signal }) as [Uint8Array];
      if (answer.length >= 12 && (answer[0] << 8 | answer[1]) === id) return answer[3] & 15;
    }
  }
}

function question(id: number, name: string, type: RecordType): Uint8Array {
  const labels = name.split(".").filter(Boolean).flatMap((label) => {
    const bytes = new TextEncoder().encode(label.slice(0, 63));
    return [bytes.length, ...bytes];
  });
  // One question, recursion desired; class IN.
  const head = [id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  return new Uint8Array([...head, ...labels, 0, 0, TYPES[type], 0, 1]);
}

/** The system's name servers, and what it tries names with. */
async function systems(): Promise<{ servers: NameServer[]; suffixes: string[] }> {
  const servers: NameServer[] = [];
  let suffixes: string[] = [];
  for (const line of (await resolvConf()).split("\n")) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === "nameserver" && rest.length > 0) servers.push({ host: rest[0], port: 53 });
    if (word === "search" || word === "domain") suffixes = rest;
  }
  return { servers, suffixes };
}

async function resolvConf(): Promise<string> {
  try {
    return await Deno.readTextFile(RESOLV_CONF);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

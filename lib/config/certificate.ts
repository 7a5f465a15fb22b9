// The certificate that clients meet, with its key: found fit to be served with, or what is wrong with the
// files.

import { createPrivateKey, X509Certificate } from "node:crypto";
import type { TlsConfig } from "./access.ts";
import type { RawConfig } from "./schema.ts";

type RawTls = NonNullable<RawConfig["tls"]>;
type Option = keyof RawTls;

/** A file as it was read; `text` is null where it could not be, `fault` says why. */
interface Source {
  readonly path: string;
  readonly text: string | null;
  readonly fault: string | null;
}

/** What is wrong with the file of an option. */
export interface FileFault {
  readonly option: Option;
  readonly message: string;
}

const ONE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
const BEGIN = "-----BEGIN CERTIFICATE-----";

/** The certificate of the files that `read` gives, or all that is wrong with them. */
export function certificateOf(
  raw: RawTls,
  read: (named: string) => Source,
): TlsConfig | FileFault[] {
  const faults: FileFault[] = [];
  const texts = new Map<Option, string>();
  for (const option of ["cert_file", "key_file", "client_ca_file"] as const) {
    const named = raw[option];
    if (named === null) continue;
    const { text, fault } = read(named);
    if (text !== null) texts.set(option, text);
    else faults.push({ option, message: `${named} ${fault}` });
  }
  const taken = <T>(option: Option, take: (text: string) => T | string): T | null => {
    const text = texts.get(option);
    if (text === undefined) return null;
    const found = take(text);
    if (typeof found !== "string") return found;
    faults.push({ option, message: `${raw[option]} ${found}` });
    return null;
  };
  const chain = taken("cert_file", chainIn);
  const key = taken("key_file", keyIn);
  taken("client_ca_file", chainIn);
  if (chain !== null && key !== null && !chain[0].checkPrivateKey(key)) {
    const message = `the key in ${raw.key_file} does not belong to the first certificate in ` +
      `${raw.cert_file}`;
    faults.push({ option: "key_file", message });
  }
  if (chain === null || faults.length > 0) return faults;
  const refusal = refusalOf(texts.get("cert_file")!, texts.get("key_file")!);
  if (refusal !== null) {
    const message = `${raw.cert_file} and ${raw.key_file} cannot be served with (${refusal}); ` +
      "expected a certificate of version 3, and a key of RSA from 2048 bits, EC P-256, P-384 or P-521, or Ed25519";
    return [{ option: "cert_file", message }];
  }
  return {
    cert: texts.get("cert_file")!,
    key: texts.get("key_file")!,
    clientCa: texts.get("client_ca_file") ?? null,
    expiresMs: Math.min(...chain.map((one) => one.validToDate.getTime())),
  };
}

/** What to say of one that is over at `nowMs`, or has not begun; null where all is well. */
export function expiryProblem({ cert, expiresMs }: TlsConfig, nowMs: number): string | null {
  if (nowMs >= expiresMs) return `the certificate of tls.cert_file expired on ${dayOf(expiresMs)}`;
  const beginMs = new X509Certificate(cert).validFromDate.getTime();
  return nowMs >= beginMs
    ? null
    : `the certificate of tls.cert_file is not valid before ${dayOf(beginMs)}`;
}

/**
 * What TLS itself has against a pair that belongs together; null for nothing. A listener would say the same,
 * but needs a port for it; Node's takes any pair and fails at each handshake.
 */
function refusalOf(cert: string, key: string): string | null {
  try {
    Deno.createHttpClient({ cert, key }).close();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** The certificates in a file, or what it holds instead. A beginning without its end is half a file. */
function chainIn(text: string): X509Certificate[] | string {
  const found = text.match(ONE) ?? [];
  if (found.length !== text.split(BEGIN).length - 1) return "holds half a certificate";
  if (found.length === 0) return "holds no certificate in PEM";
  try {
    return found.map((one) => new X509Certificate(one));
  } catch {
    // What exactly the parser stumbled over helps nobody.
    return "holds a certificate that cannot be read";
  }
}

/** The first key of a file, which may hold the certificate as well. */
function keyIn(text: string) {
  const [one] = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?(?:-----END \1-----|$)/.exec(text) ??
    [];
  if (one === undefined) return "holds no private key in PEM";
  if (/^-----BEGIN [A-Z ]*ENCRYPTED|^Proc-Type: .*ENCRYPTED/m.test(one)) {
    return "holds a key with a password; expected one without";
  }
  try {
    return createPrivateKey(one);
  } catch {
    // The same as above.
    return "holds a key that cannot be read";
  }
}

// Opens the door of the HTTP/1.1 listener: plain, or with a certificate. Which runtime's TLS it is depends on
// whether clients must bring certificates of their own.

import type { TlsConfig } from "../../../config/access.ts";
import type { Door } from "../client_conn.ts";
import { ClientCertificateDoor } from "./client_certificates.ts";

/** HTTP/2 is not spoken here. */
const PROTOCOLS = ["http/1.1"];

export interface DoorPlace {
  readonly hostname: string;
  readonly port: number;
  /** Whether others may have the same port (SO_REUSEPORT). */
  readonly reusePort: boolean;
}

/** `certificate`: null for plain TCP. Throws Deno.errors.AddrInUse and the like. */
export function openDoor(
  { hostname, port, reusePort }: DoorPlace,
  certificate: TlsConfig | null,
): Door {
  const place = { hostname, port, ...(reusePort ? { reusePort } : {}) };
  if (certificate === null) return Deno.listen(place);
  const { cert, key, clientCa } = certificate;
  return clientCa === null
    ? Deno.listenTls({ ...place, cert, key, alpnProtocols: PROTOCOLS })
    : new ClientCertificateDoor({ hostname, port }, certificate, PROTOCOLS);
}

// Opens the door of the HTTP/1.1 listener: plain, or with a certificate. Which TLS it is depends on what the
// door has to be able to do.

import type { TlsConfig } from "../../../config/access.ts";
import type { Door } from "../client_conn.ts";
import { NodeTlsDoor } from "./node_tls.ts";

/** HTTP/2 is not spoken here. */
const PROTOCOLS = ["http/1.1"];

export interface DoorPlace {
  readonly hostname: string;
  readonly port: number;
  /** Whether others may have the same port (SO_REUSEPORT). */
  readonly reusePort: boolean;
  /** For a handshake, where the door can end one. */
  readonly headTimeoutS: number;
  /** Whether the process has descriptors for one more connection. */
  hasRoom(): boolean;
}

/**
 * `certificate`: null for plain TCP. `sendsAway`: whether it has to end connections whose handshake does not
 * come, which Deno.listenTls cannot. Throws Deno.errors.AddrInUse and the like.
 */
export function openDoor(
  { hostname, port, reusePort, headTimeoutS, hasRoom }: DoorPlace,
  certificate: TlsConfig | null,
  sendsAway = false,
): Door {
  const place = { hostname, port, ...(reusePort ? { reusePort } : {}) };
  if (certificate === null) return Deno.listen(place);
  const { cert, key, clientCa } = certificate;
  if (clientCa === null && !sendsAway) {
    return Deno.listenTls({ ...place, cert, key, alpnProtocols: PROTOCOLS });
  }
  const own = { hostname, port, protocols: PROTOCOLS, handshakeTimeoutS: headTimeoutS, hasRoom };
  return new NodeTlsDoor(own, certificate);
}

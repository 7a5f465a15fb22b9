// The door by Node's TLS server: the place that it keeps until that server listens is given back whatever
// becomes of it.

import assert from "node:assert/strict";
import { NodeTlsDoor } from "../../lib/server/listener/tls/node_tls.ts";
import type { TlsConfig } from "../../lib/config/access.ts";
import { waitFor } from "../support/wait.ts";

const PLACE = {
  hostname: "127.0.0.1",
  port: 0,
  protocols: ["http/1.1"],
  handshakeTimeoutS: 5,
  hasRoom: () => true,
};
const NO_CERTIFICATE: TlsConfig = { cert: "", key: "", clientCa: null, expiresMs: Infinity };

/** Whether nobody has the port, not even one who would share it. */
function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

Deno.test("a door that is closed before it is open leaves its port", async () => {
  const door = new NodeTlsDoor(PLACE, NO_CERTIFICATE);
  const { port } = door.addr;
  assert.equal(isFree(port), false);
  door.close();
  await waitFor(() => isFree(port), "the port to be free");
  await assert.rejects(door.accept(), Deno.errors.BadResource);
});

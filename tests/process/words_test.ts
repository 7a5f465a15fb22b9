// What is said where the gateway may not listen.

import assert from "node:assert/strict";
import { cannotListen } from "../../lib/process/words.ts";

Deno.test("a port that is the system's is refused with what may be done", async () => {
  const forbidden = new Deno.errors.PermissionDenied("Permission denied (os error 13)");
  assert.match(
    await cannotListen("0.0.0.0", 443, forbidden),
    /^cannot listen on 0\.0\.0\.0:443: ports below 1024 .* --port .*CAP_NET_BIND_SERVICE/,
  );
  assert.equal(
    await cannotListen("::1", 8080, forbidden),
    "cannot listen on [::1]:8080: Permission denied (os error 13)",
  );
});

// `check` tries the address that the gateway is to listen on.

import assert from "node:assert/strict";
import { unfitHost } from "../../lib/cli/check/host.ts";

Deno.test("a host that can be listened on is fit, also while somebody has the port", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  assert.equal(await unfitHost({ host: "127.0.0.1", port }), null);
  assert.equal(await unfitHost({ host: "0.0.0.0", port }), null);
});

Deno.test("a host that is no address and no name is a fault, in the words of the start", async () => {
  for (const host of ["256.1.1.1", "no such host"]) {
    const unfit = await unfitHost({ host, port: 8000 });
    assert.equal(unfit?.isElsewhere, false, host);
    assert.ok(unfit.words.startsWith(`cannot listen on ${host}:8000: `), unfit.words);
  }
});

Deno.test("an address of another machine is a doubt: the file may be checked for that one", async () => {
  const unfit = await unfitHost({ host: "192.0.2.1", port: 8000 });
  assert.equal(unfit?.isElsewhere, true, unfit?.words);
});

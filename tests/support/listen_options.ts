// What a listener of a test's own is opened with, where the test says nothing else.

import { Descriptors } from "../../lib/machine/descriptors.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import type { ListenOptions } from "../../lib/server/listener.ts";
import { AddressCounts } from "../../lib/server/listener/address_counts.ts";

/** Loopback, any free port, time limits that no test comes near, and no others. */
export function listenOptions(): Omit<ListenOptions, "onError"> {
  return {
    hostname: "127.0.0.1",
    port: 0,
    reusePort: false,
    certificate: null,
    headTimeoutS: 10,
    bodyTimeoutS: 10,
    idleTimeoutS: 10,
    maxConnectionsPerAddress: 0,
    addresses: new AddressCounts(SharedState.create()),
    descriptors: new Descriptors(() => {}),
    onTurnedAway() {},
    errorFields: () => [],
  };
}

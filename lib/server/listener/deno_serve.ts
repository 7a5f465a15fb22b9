// The listener on Deno.serve: HTTP/2 besides HTTP/1.1, at a higher price for each request than
// http1.ts. It cannot limit slow senders or count connections; those options are left to http1.ts.

import type { Handler, Listener, ListenOptions } from "../listener.ts";
import { Cut, toFetchHandler } from "./fetch_handler.ts";

/** Listens with Deno.serve. Throws Deno.errors.AddrInUse and the like. */
export function listenDenoServe(options: ListenOptions, handler: Handler): Listener {
  const aborter = new AbortController();
  const server = Deno.serve({
    hostname: options.hostname,
    port: options.port,
    reusePort: options.reusePort,
    automaticCompression: false,
    signal: aborter.signal,
    onListen() {},
    onError(error) {
      if (!(error instanceof Cut)) options.onError(error);
      return new Response(null, { status: 500 });
    },
  }, toFetchHandler(handler, options.onError));
  let finished = false;
  server.finished.then(() => finished = true);
  return {
    hostname: server.addr.hostname,
    port: server.addr.port,
    drain: () => server.shutdown(),
    handOver: () => server.shutdown(),
    async close() {
      // A server that has drained is gone; to abort it then throws where nobody can catch it.
      if (!finished) aborter.abort();
      await server.finished;
    },
  };
}

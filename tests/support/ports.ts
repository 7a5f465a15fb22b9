// Ports of this host for what is started, or started again, by number.

/** Below those that systems give to whoever asks for any, and above those of well-known services. */
const [FIRST, LAST] = [20_000, 31_999];

/**
 * A port of 127.0.0.1 that nobody listens on, and that nobody is given by chance: neither a test beside this
 * one that listens on port 0, nor a connection on its way out.
 */
export function freePort(): number {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

// Which errors of a socket only say that its connection is over.

/** Errors of a connection that either side has ended. */
export function isSocketError(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Deno.errors.TimedOut ||
    (error instanceof Error && "code" in error && typeof error.code === "string");
}

/** For the `catch` of a promise: null where its connection is over. Throws any other error. */
export function nullOnSocketError(error: unknown): null {
  if (isSocketError(error)) return null;
  throw error;
}

// What an error of a socket to an instance says, in the words of attempts.

import { UpstreamError, type UpstreamPhase } from "../transport.ts";

/** The error that an attempt fails with; `cut` is what a connection that was ended comes to. */
export function socketError(error: unknown, phase: UpstreamPhase, cut: UpstreamError): Error {
  if (error instanceof Deno.errors.ConnectionRefused) {
    return new UpstreamError("connect", "refused", "connection refused", { cause: error });
  }
  if (isBroken(error)) return cut;
  if (phase === "connect") {
    const isDns = isLookup(error);
    return new UpstreamError(
      "connect",
      isDns ? "dns" : "other",
      isDns ? "its host name does not resolve" : "no connection",
      { cause: error },
    );
  }
  return error instanceof Error && "code" in error ? cut : error as Error;
}

/** The host name was not found. */
export function isLookup(error: unknown): boolean {
  return error instanceof Error && /lookup|resolve|name or service/i.test(error.message);
}

/** The other side has ended the connection, in whichever words. */
export function isBroken(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.UnexpectedEof || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.NotConnected;
}

// Why a stream is no answer any more: what its observer tells of the event that stopped it.

import { ABORT, MALFORMED } from "./scan.ts";

/** What stopped a stream: the event's meaning, in words fit for a client. */
export interface StreamFault {
  kind: "abort" | "error" | "malformed" | "empty";
  message: string;
  /** The instance's own error event, when it sent one; what that says is not in `message`. */
  event: Uint8Array | null;
}

export function fault(kind: StreamFault["kind"], message: string): StreamFault {
  return { kind, message, event: null };
}

/** The fault of an event that is an error, an abort or cannot be read, as its flags say. */
export function faultOf(
  flags: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): StreamFault {
  if (flags & ABORT) return fault("abort", "it aborted the answer");
  if (flags & MALFORMED) return fault("malformed", "it sent a malformed event");
  return { kind: "error", message: "it sent an error", event: bytes.slice(start, end) };
}

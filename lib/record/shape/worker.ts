// An isolate that turns heavy captures into lines, so that parsing megabytes of odd JSON stops nobody.

import { joined } from "../../http/joined.ts";
import { EventStore, type PackedEvents } from "../../sse/event_store.ts";
import type { Capture } from "../capture.ts";
import type { RecordFormat } from "../record.ts";
import { shapeHeavy } from "./shape.ts";

/** Name of an isolate that runs this. */
export const SHAPER = "record-shaper";

/** What the isolate gets: a capture in the form in which it can be handed over. */
export interface ToShaper {
  capture: Omit<Capture, "response">;
  body: Uint8Array | null;
  events: PackedEvents | null;
  format: RecordFormat;
}

/** What it answers. */
export type FromShaper =
  | { complete: boolean; lines: number; bytes: Uint8Array<ArrayBuffer> }
  | { error: string };

/** The part of a worker's global scope that is used here. */
export interface ShaperScope {
  onmessage: ((event: MessageEvent<ToShaper>) => void) | null;
  postMessage(message: FromShaper, transfer?: Transferable[]): void;
}

/** Makes the isolate that `scope` belongs to one that shapes. */
export function runShaper(scope: ShaperScope): void {
  const encoder = new TextEncoder();
  scope.onmessage = ({ data: { capture, body, events, format } }) => {
    try {
      const response = events === null ? body : EventStore.unpack(events);
      const { complete, lines } = shapeHeavy({ ...capture, response }, format);
      const bytes = joined(
        lines.flat().map((piece) => typeof piece === "string" ? encoder.encode(piece) : piece),
      );
      scope.postMessage({ complete, lines: lines.length, bytes }, [bytes.buffer]);
    } catch (error) {
      scope.postMessage({ error: error instanceof Error ? error.message : String(error) });
    }
  };
}

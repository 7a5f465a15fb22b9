// Hands heavy captures to an isolate of their own, one after the other. It is there only while there are
// any: an isolate costs some fifty megabytes.

import { EventStore } from "../../sse/event_store.ts";
import type { Capture } from "../capture.ts";
import type { RecordFormat } from "../record.ts";
import { type FromShaper, SHAPER, type ToShaper } from "./worker.ts";

/** How long the isolate stays after its last work. */
const IDLE_MS = 5000;
/** Longest time for one capture. */
const LONGEST_MS = 60_000;

/** Lines of one heavy capture. */
export interface ShapedBytes {
  complete: boolean;
  lines: number;
  bytes: Uint8Array;
}

export class Shaper {
  #worker: Worker | null = null;
  #idle: ReturnType<typeof setTimeout> | undefined;
  /** Ends the work under way, as a failure. */
  #fail: ((error: Error) => void) | null = null;

  /** `module` calls runShaper in an isolate that is called SHAPER. */
  constructor(private readonly module: string) {}

  get busy(): boolean {
    return this.#fail !== null;
  }

  /** Not to be called while it is busy. The capture's bytes are gone afterwards. */
  async shape(capture: Capture, format: RecordFormat): Promise<ShapedBytes> {
    const ended = Promise.withResolvers<FromShaper>();
    this.#fail = ended.reject;
    clearTimeout(this.#idle);
    const limit = setTimeout(
      () => ended.reject(new Error(`no record within ${LONGEST_MS / 1000} s`)),
      LONGEST_MS,
    );
    try {
      const worker = this.#started();
      worker.onmessage = ({ data }) => ended.resolve(data);
      const [message, transfer] = packed(capture, format);
      worker.postMessage(message, transfer);
      const answer = await ended.promise;
      if ("error" in answer) throw new Error(answer.error);
      return answer;
    } catch (error) {
      this.#end();
      throw error;
    } finally {
      clearTimeout(limit);
      this.#fail = null;
      if (this.#worker !== null) {
        this.#idle = setTimeout(() => this.#end(), IDLE_MS);
        Deno.unrefTimer(this.#idle);
      }
    }
  }

  close(): void {
    this.#fail?.(new Error("the recorder was closed"));
    clearTimeout(this.#idle);
    this.#end();
  }

  #started(): Worker {
    if (this.#worker !== null) return this.#worker;
    const worker = new Worker(this.module, { type: "module", name: SHAPER });
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail?.(new Error(event.message));
    };
    return this.#worker = worker;
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = null;
  }
}

/** The capture in the form in which it can be handed over. */
function packed(capture: Capture, format: RecordFormat): [ToShaper, Transferable[]] {
  const { response, parsed: _, ...rest } = capture;
  const requestBody = ownBytes(rest.requestBody);
  const body = response instanceof Uint8Array ? ownBytes(response) : null;
  const events = response instanceof EventStore ? response.pack() : null;
  const transfer = [requestBody.buffer];
  if (body !== null) transfer.push(body.buffer);
  if (events !== null) transfer.push(events.data.buffer);
  return [{ capture: { ...rest, requestBody }, body, events, format }, transfer];
}

/** Of a larger part than this nobody else has the rest, and copying it would hold others up. */
const LARGE_BYTES = 256 * 1024;

/** In memory of its own: a small part of a larger piece would take the whole piece with it. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  const isOwn = byteLength === buffer.byteLength ||
    (byteLength > LARGE_BYTES && byteLength * 2 > buffer.byteLength);
  return buffer instanceof ArrayBuffer && isOwn
    ? new Uint8Array(buffer, byteOffset, byteLength)
    : bytes.slice();
}

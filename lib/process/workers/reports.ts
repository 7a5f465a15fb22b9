// Reports of finished requests on their way from a worker to the main isolate: gathered for a moment,
// their bytes packed so that most of them change hands instead of being copied.

import type { Report } from "../../observe/report.ts";
import { Content, type Originals } from "../../record/capture.ts";
import { EventStore, type PackedEvents } from "../../sse/event_store.ts";

const BATCH_MS = 20;

/** The bytes of one conversation: a whole body, or the events of a stream. */
export interface PackedContent {
  readonly requestBody: Uint8Array;
  readonly body: Uint8Array | null;
  readonly events: PackedEvents | null;
  readonly originals: (Omit<Originals, "content"> & { readonly content: PackedContent }) | null;
}

/** One finished request, as it is sent. */
export interface SentReport {
  readonly report: Report;
  readonly content: PackedContent | null;
}

export type SendReports = (batch: SentReport[], transfer: Transferable[]) => void;

/** The worker's side. */
export class ReportBatches {
  #batch: SentReport[] = [];
  #transfer: Transferable[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly send: SendReports) {}

  add(report: Report, content: Content | null): void {
    this.#batch.push({ report, content: content === null ? null : this.#pack(content) });
    if (this.#timer === null) this.#timer = setTimeout(() => this.flush(), BATCH_MS);
  }

  /** Sends what waits now. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#batch.length === 0) return;
    this.send(this.#batch, this.#transfer);
    this.#batch = [];
    this.#transfer = [];
  }

  #pack({ requestBody, response, originals: given }: Content): PackedContent {
    const originals = given === null ? null : { ...given, content: this.#pack(given.content) };
    // A piece of a slab would take the whole slab with it.
    const asked = requestBody.slice();
    this.#transfer.push(asked.buffer);
    if (!(response instanceof EventStore)) {
      const body = response?.slice() ?? null;
      if (body !== null) this.#transfer.push(body.buffer);
      return { requestBody: asked, body, events: null, originals };
    }
    const events = response.pack();
    this.#transfer.push(events.data.buffer);
    return { requestBody: asked, body: null, events, originals };
  }
}

/** The main isolate's side. */
export function unpacked(content: PackedContent | null): Content | null {
  if (content === null) return null;
  const { requestBody, body, events, originals } = content;
  return new Content(
    requestBody,
    events === null ? body : EventStore.unpack(events),
    null,
    originals === null ? null : { ...originals, content: unpacked(originals.content)! },
  );
}

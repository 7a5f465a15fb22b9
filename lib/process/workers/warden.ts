// Has workers made by an isolate that serves nobody: making one holds up the isolate that asks for it, for
// tens of milliseconds on a busy machine, and it is wanted when the machine is busy. A worker made so talks
// to the main isolate by a channel of its own.

import type { Isolate, IsolateEvents, MakeIsolate } from "./isolate.ts";
import type { FromWorker } from "./messages.ts";

/** Name of the isolate. */
export const WARDEN = "worker_warden";

export type ToWarden =
  | {
    readonly kind: "make";
    /** Of this worker alone. */
    readonly id: number;
    readonly module: string;
    readonly name: string;
    /** By which it is to talk. */
    readonly port: MessagePort;
  }
  | { readonly kind: "end"; readonly id: number };

export interface FromWarden {
  readonly kind: "failed";
  readonly id: number;
  readonly message: string;
}

interface Ward {
  readonly events: IsolateEvents;
  /** Messages that have come from it. */
  heard: number;
}

export class Warden {
  #isolate: Worker | null = null;
  readonly #wards = new Map<number, Ward>();
  #lastId = 0;

  /** `module` calls `runWarden` in an isolate that is called WARDEN. */
  constructor(private readonly module: string) {}

  /** Whether it is there. */
  get isOpen(): boolean {
    return this.#isolate !== null;
  }

  /** Has it there from now on: this alone holds up whoever calls, once. */
  open(): Worker {
    if (this.#isolate !== null) return this.#isolate;
    const isolate = new Worker(this.module, { type: "module", name: WARDEN });
    isolate.onmessage = ({ data: { id, message } }: MessageEvent<FromWarden>) => {
      void this.#lost(id, message);
    };
    isolate.onerror = (event) => {
      event.preventDefault();
      if (this.#isolate !== isolate) return;
      isolate.terminate();
      this.#isolate = null;
      // Workers end with the isolate that has made them.
      for (const id of this.#wards.keys()) void this.#lost(id, `its warden: ${event.message}`);
    };
    return this.#isolate = isolate;
  }

  readonly make: MakeIsolate = (module, name, events): Isolate => {
    const warden = this.open();
    const id = ++this.#lastId;
    const { port1: port, port2 } = new MessageChannel();
    const ward: Ward = { events, heard: 0 };
    this.#wards.set(id, ward);
    port.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (!this.#wards.has(id)) return;
      ward.heard++;
      events.said(data);
    };
    warden.postMessage({ kind: "make", id, module, name, port: port2 } satisfies ToWarden, [port2]);
    return {
      postMessage: (message) => port.postMessage(message),
      terminate: () => {
        port.close();
        if (!this.#wards.delete(id)) return;
        this.#isolate?.postMessage({ kind: "end", id } satisfies ToWarden);
      },
    };
  };

  /** Ends it, and every worker that it has made. It is there again when it is needed. */
  close(): void {
    this.#isolate?.terminate();
    this.#isolate = null;
    this.#wards.clear();
  }

  /** What it has said before counts: that comes by another way, and may be read later. */
  async #lost(id: number, message: string): Promise<void> {
    const ward = this.#wards.get(id);
    if (ward === undefined) return;
    for (let before = -1; before !== ward.heard;) {
      before = ward.heard;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    if (this.#wards.delete(id)) ward.events.failed(message);
  }
}

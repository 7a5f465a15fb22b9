// Metrics and dashboard with several workers: the one that a request meets hands it to the main isolate,
// which knows the whole, and carries the answer back through a channel of its own.

import type { AdminHandler, AdminReply, AdminRequest } from "../http/admin.ts";

type ToWorker =
  | { kind: "head"; status: number; headers: AdminReply["headers"]; body: Uint8Array | null }
  | { kind: "piece"; bytes: Uint8Array }
  | { kind: "end" }
  | { kind: "failed" };
/** The worker asks for each piece of a stream, so that a slow client holds up the source. */
type ToMain = { kind: "next" } | { kind: "return" };

/** The worker's side: answers by asking elsewhere. */
export class AdminRelay {
  /** Ends each stream that is open. */
  readonly #open = new Set<() => void>();
  #isOver = false;

  constructor(private readonly send: (request: AdminRequest, port: MessagePort) => void) {}

  readonly handle: AdminHandler = (request) =>
    new Promise((resolve, reject) => {
      const { port1: port, port2 } = new MessageChannel();
      port.onmessage = ({ data }: MessageEvent<ToWorker>) => {
        if (data.kind !== "head") {
          port.close();
          return reject(new Error("the main isolate could not answer"));
        }
        const { status, headers, body } = data;
        if (body !== null) port.close();
        resolve({ status, headers, body: body ?? this.#pieces(port) });
      };
      this.send(request, port2);
    });

  /** Ends all streams, those that come as well: who looks on comes to another worker. */
  endStreams(): void {
    this.#isOver = true;
    for (const end of this.#open) end();
  }

  #pieces(port: MessagePort): AsyncIterable<Uint8Array> {
    let waiting: ((result: IteratorResult<Uint8Array>) => void) | null = null;
    let over = false;
    const settle = (value: Uint8Array | null) => {
      if (value === null) {
        over = true;
        port.close();
        this.#open.delete(end);
      }
      waiting?.(value === null ? { done: true, value: undefined } : { done: false, value });
      waiting = null;
    };
    const end = () => {
      if (over) return;
      port.postMessage({ kind: "return" } satisfies ToMain);
      settle(null);
    };
    port.onmessage = ({ data }: MessageEvent<ToWorker>) =>
      settle(data.kind === "piece" ? data.bytes : null);
    this.#open.add(end);
    if (this.#isOver) end();
    const iterator: AsyncIterator<Uint8Array> = {
      next: () =>
        new Promise((resolve) => {
          if (over) return resolve({ done: true, value: undefined });
          waiting = resolve;
          port.postMessage({ kind: "next" } satisfies ToMain);
        }),
      return: () => {
        end();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }
}

/** The main isolate's side: answers one request that a worker has handed on. */
export async function serveAdmin(
  request: AdminRequest,
  port: MessagePort,
  handler: AdminHandler,
  onError: (message: string) => void,
): Promise<void> {
  const send = (message: ToWorker) => port.postMessage(message);
  try {
    const { status, headers, body } = await handler(request);
    if (body instanceof Uint8Array) {
      send({ kind: "head", status, headers, body });
      return;
    }
    const source = body[Symbol.asyncIterator]();
    port.onmessage = async ({ data }: MessageEvent<ToMain>) => {
      try {
        if (data.kind === "return") {
          await source.return?.();
          return port.close();
        }
        const { done, value } = await source.next();
        send(done ? { kind: "end" } : { kind: "piece", bytes: value });
        if (done) port.close();
      } catch (error) {
        onError(String(error));
        send({ kind: "failed" });
        port.close();
      }
    };
    send({ kind: "head", status, headers, body: null });
  } catch (error) {
    onError(error instanceof Error ? error.stack ?? error.message : String(error));
    send({ kind: "failed" });
  }
}

// Metrics and dashboard with several workers: the one that a request meets hands it to the main isolate,
// which knows the whole, and carries the answer back through a channel of its own.

import type { AdminHandler, AdminReply, AdminRequest } from "../../http/admin.ts";

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

  readonly handle: AdminHandler = (request, asker) =>
    new Promise((resolve, reject) => {
      asker.throwIfAborted();
      const { port1: port, port2 } = new MessageChannel();
      const leave = () => {
        port.postMessage({ kind: "return" } satisfies ToMain);
        port.close();
        reject(asker.reason);
      };
      asker.addEventListener("abort", leave);
      port.onmessage = ({ data }: MessageEvent<ToWorker>) => {
        asker.removeEventListener("abort", leave);
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

/**
 * The main isolate's side: answers one request that a worker has handed on. `onOver`: nothing is held for it any
 * more. What it returns lets go of it, for a worker that is gone.
 */
export function serveAdmin(
  request: AdminRequest,
  port: MessagePort,
  handler: AdminHandler,
  onError: (message: string) => void,
  onOver: () => void,
): () => void {
  const send = (message: ToWorker) => port.postMessage(message);
  let source: AsyncIterator<Uint8Array> | null = null;
  let isOver = false;
  const asker = new AbortController();
  const fail = (error: unknown) => {
    onError(error instanceof Error ? error.stack ?? error.message : String(error));
  };
  const end = () => {
    if (isOver) return;
    isOver = true;
    port.close();
    onOver();
    asker.abort();
    Promise.try(() => source?.return?.()).catch(fail);
  };
  const next = async () => {
    try {
      const { done, value } = await source!.next();
      if (isOver) return;
      send(done ? { kind: "end" } : { kind: "piece", bytes: value });
      if (done) end();
    } catch (error) {
      fail(error);
      if (!isOver) send({ kind: "failed" });
      end();
    }
  };
  const answer = async () => {
    try {
      const { status, headers, body } = await handler(request, asker.signal);
      const isWhole = body instanceof Uint8Array;
      if (!isWhole) source = body[Symbol.asyncIterator]();
      if (isOver) return void await source?.return?.();
      send({ kind: "head", status, headers, body: isWhole ? body : null });
      // The worker closes the channel of an answer that came whole.
      if (isWhole) onOver();
    } catch (error) {
      if (isOver && error === asker.signal.reason) return;
      fail(error);
      if (!isOver) send({ kind: "failed" });
      onOver();
    }
  };
  port.onmessage = ({ data }: MessageEvent<ToMain>) => data.kind === "return" ? end() : next();
  answer();
  return end;
}

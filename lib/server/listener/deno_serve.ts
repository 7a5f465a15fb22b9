// The listener on Deno.serve: HTTP/2 besides HTTP/1.1, at a higher price for each request than
// http1.ts. It cannot limit slow senders or count connections; those options are left to http1.ts.

import { Departure } from "../../http/departure.ts";
import type { HeaderList } from "../../http/message.ts";
import { openAiErrorBody } from "../../http/openai_error.ts";
import {
  type ClientReply,
  type ClientRequest,
  type Handler,
  type Listener,
  type ListenOptions,
  RequestError,
} from "../listener.ts";

/** Listens with Deno.serve. Throws Deno.errors.AddrInUse and the like. */
export function listenDenoServe(options: ListenOptions, handler: Handler): Listener {
  const aborter = new AbortController();
  const server = Deno.serve({
    hostname: options.hostname,
    port: options.port,
    reusePort: options.reusePort,
    automaticCompression: false,
    signal: aborter.signal,
    onListen() {},
    onError(error) {
      if (!(error instanceof Cut)) options.onError(error);
      return new Response(openAiErrorBody(500, "Internal error") as Uint8Array<ArrayBuffer>, {
        status: 500,
        headers: { "content-type": "application/json" },
      });
    },
  }, (request, info) => {
    const exchange = new Exchange(request, info);
    handler(exchange.request, exchange.reply).catch((error) => exchange.reply.fail(error));
    return exchange.response;
  });
  let finished = false;
  server.finished.then(() => finished = true);
  return {
    hostname: server.addr.hostname,
    port: server.addr.port,
    drain: () => server.shutdown(),
    handOver: () => server.shutdown(),
    async close() {
      // A server that has drained is gone; to abort it then throws where nobody can catch it.
      if (!finished) aborter.abort();
      await server.finished;
    },
  };
}

/** Ends a response that was broken off on purpose: nothing to report. */
class Cut extends Error {
  override readonly name = "Cut";
}

class Exchange {
  readonly request: DenoRequest;
  readonly reply: DenoReply;
  readonly response: Promise<Response>;

  constructor(request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) {
    this.request = new DenoRequest(request, info.remoteAddr.hostname);
    this.reply = new DenoReply(this.request);
    this.response = this.reply.response;
    request.signal.addEventListener("abort", () => this.request.leave());
  }
}

class DenoRequest extends Departure implements ClientRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  /** Set when the answer is out: the signal's abort means nothing after that. */
  answered = false;

  constructor(private readonly request: Request, readonly remoteAddress: string) {
    super();
    this.method = request.method;
    const afterScheme = request.url.indexOf("/", request.url.indexOf("//") + 2);
    this.target = request.url.slice(afterScheme);
    this.headers = [...request.headers];
  }

  override leave(): void {
    if (!this.answered) super.leave();
  }

  async readBody(limitBytes: number): Promise<Uint8Array> {
    const { body, headers } = this.request;
    const tooLarge = `The request body is larger than ${limitBytes} bytes (max_body_bytes)`;
    if (Number(headers.get("content-length")) > limitBytes) throw new RequestError(413, tooLarge);
    if (body === null) return new Uint8Array(0);
    const pieces: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const piece of body) {
        size += piece.length;
        if (size > limitBytes) throw new RequestError(413, tooLarge);
        pieces.push(piece);
      }
    } catch (error) {
      if (error instanceof RequestError) throw error;
      throw new RequestError(400, "The request body was cut short");
    }
    if (pieces.length === 1) return pieces[0];
    const whole = new Uint8Array(size);
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}

class DenoReply implements ClientReply {
  begun = false;
  readonly response: Promise<Response>;
  #respond!: (response: Response) => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #wanted: (() => void) | null = null;

  constructor(private readonly request: DenoRequest) {
    this.response = new Promise((resolve) => this.#respond = resolve);
  }

  send(status: number, headers: HeaderList, body: Uint8Array): Promise<void> {
    this.begun = true;
    this.request.answered = true;
    const empty = status === 204 || status === 304;
    this.#respond(
      new Response(empty ? null : body as Uint8Array<ArrayBuffer>, {
        status,
        headers: headers as [string, string][],
      }),
    );
    return Promise.resolve();
  }

  begin(status: number, headers: HeaderList, contentLength: number | null): void {
    this.begun = true;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        this.#wanted?.();
        this.#wanted = null;
      },
      cancel: () => {
        this.request.leave();
        this.#wanted?.();
        this.#wanted = null;
      },
    }, { highWaterMark: 1 });
    const all = contentLength === null
      ? headers
      : [...headers, ["content-length", String(contentLength)] as const];
    this.#respond(new Response(stream, { status, headers: all as [string, string][] }));
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.request.gone || bytes.length === 0) return;
    // The caller may reuse its memory, Deno.serve keeps what it was given until it is sent.
    this.#controller!.enqueue(bytes.slice());
    if (this.#controller!.desiredSize! > 0) return;
    await new Promise<void>((resolve) => {
      this.#wanted = resolve;
    });
  }

  end(): Promise<void> {
    if (!this.request.gone) {
      this.request.answered = true;
      this.#controller!.close();
    }
    return Promise.resolve();
  }

  cut(): void {
    this.request.answered = true;
    this.#controller?.error(new Cut());
  }

  fail(error: unknown): void {
    if (this.begun) return this.cut();
    this.begun = true;
    this.#respond(Promise.reject(error) as unknown as Response);
  }
}

// The gateway as a function from Request to Response, the form that Deno.serve and other servers of the
// Web's interfaces take. Listening is left to whoever calls it; deno_serve.ts is one that does.

import { Blocks } from "../../http/blocks.ts";
import type { BodyHold } from "../../http/client.ts";
import { Departure } from "../../http/departure.ts";
import { header, type HeaderList } from "../../http/message.ts";
import { openAiErrorBody } from "../../http/openai_error.ts";
import { type ClientReply, type ClientRequest, type Handler, RequestError } from "../listener.ts";

/** What a server tells of a connection; Deno.ServeHandlerInfo is one. */
export interface ConnectionInfo {
  remoteAddr: Deno.Addr;
}

/** A body of so many bytes is counted when it has come. */
const MAX_UNCOUNTED_BYTES = 64 * 1024;

/** Statuses whose responses have no body, which Response insists on. */
const BODILESS = new Set([204, 205, 304]);

/**
 * Makes a handler of the gateway's one for `Deno.serve`. A defect of the handler is told to `onError`
 * and answered with 500. An answer that must not be taken for a whole one errors its body, which
 * Deno.serve passes to its own `onError` as a `Cut`.
 *
 * ```ts
 * Deno.serve(toFetchHandler(gateway.handle));
 * ```
 */
export function toFetchHandler(
  handler: Handler,
  onError: (error: unknown) => void = console.error,
): (request: Request, info: ConnectionInfo) => Promise<Response> {
  return (fetched, info) =>
    new Promise((respond) => {
      const request = new FetchRequest(fetched, info);
      const reply = new FetchReply(request, respond);
      if (request.method === "TRACE" || request.method === "CONNECT") {
        return reply.refuse(501, `Method ${request.method} is not supported`);
      }
      fetched.signal.addEventListener("abort", () => request.leave());
      handler(request, reply).catch((error) => {
        onError(error);
        if (reply.begun) reply.cut();
        else reply.refuse(500, "Internal error of the gateway");
      }).finally(() => {
        request.forgetAll();
        // The client has left unanswered; the promise must end all the same.
        if (!reply.begun) respond(new Response(null, { status: 499 }));
      });
    });
}

/** What the body of an answer ends with that was broken off on purpose. */
export class Cut extends Error {
  override readonly name = "Cut";
}

class FetchRequest extends Departure implements ClientRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  readonly remoteAddress: string;
  /** Set when the answer is out: the signal's abort means nothing after that. */
  answered = false;

  constructor(private readonly request: Request, info: ConnectionInfo) {
    super();
    this.method = request.method;
    const { url } = request;
    this.target = url.slice(url.indexOf("/", url.indexOf("//") + 2));
    const headers: (readonly [string, string])[] = [];
    // A third cheaper than iterating, which makes a list of pairs of its own first.
    request.headers.forEach((value, name) => headers.push([name, value]));
    this.headers = headers;
    const { remoteAddr } = info;
    this.remoteAddress = "hostname" in remoteAddr ? remoteAddr.hostname : "";
  }

  override leave(): void {
    if (!this.answered) super.leave();
  }

  async readBody(limitBytes: number, hold: BodyHold): Promise<Uint8Array> {
    const announced = header(this.headers, "content-length");
    if (Number(announced) > limitBytes) throw tooLarge(limitBytes);
    try {
      // A stream costs as much as all else about a request: only where it matters how much has come.
      if (announced !== undefined && Number(announced) <= MAX_UNCOUNTED_BYTES) {
        return await this.#readWhole(hold);
      }
      return await this.#readPieces(limitBytes, hold);
    } catch (error) {
      if (error instanceof RequestError) throw error;
      throw new RequestError(400, "The request body was cut short");
    }
  }

  async #readWhole(hold: BodyHold): Promise<Uint8Array> {
    const body = await this.request.bytes();
    const room = hold.take(body.length);
    if (room !== null) await room;
    return body;
  }

  async #readPieces(limitBytes: number, hold: BodyHold): Promise<Uint8Array> {
    const { body } = this.request;
    if (body === null) return new Uint8Array(0);
    const blocks = new Blocks();
    for await (const piece of body) {
      if (blocks.size + piece.length > limitBytes) throw tooLarge(limitBytes);
      const room = hold.take(piece.length);
      if (room !== null) await room;
      blocks.add(piece);
    }
    return await blocks.joined();
  }
}

class FetchReply implements ClientReply {
  begun = false;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #wanted: (() => void) | null = null;

  constructor(
    private readonly request: FetchRequest,
    private readonly respond: (response: Response) => void,
  ) {}

  send(status: number, headers: HeaderList, body: Uint8Array): Promise<void> {
    this.begun = true;
    this.request.answered = true;
    this.respond(
      responseOf(BODILESS.has(status) ? null : body as Uint8Array<ArrayBuffer>, status, headers),
    );
    return Promise.resolve();
  }

  begin(status: number, headers: HeaderList, contentLength: number | null): void {
    this.begun = true;
    if (BODILESS.has(status)) return this.respond(responseOf(null, status, headers));
    const response = responseOf(this.#stream(), status, headers);
    if (contentLength !== null) response.headers.append("content-length", String(contentLength));
    this.respond(response);
  }

  #stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#goOn(),
      cancel: () => {
        this.request.leave();
        this.#goOn();
      },
    }, { highWaterMark: 1 });
  }

  #goOn(): void {
    this.#wanted?.();
    this.#wanted = null;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const controller = this.#controller;
    if (controller === null || this.request.gone || bytes.length === 0) return;
    // The caller may reuse its memory, the server keeps what it was given until it is sent.
    controller.enqueue(bytes.slice());
    if (controller.desiredSize! > 0) return;
    // A client that leaves without reading on is told by the signal alone.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wanted = resolve;
    const stays = this.request.onGone(resolve);
    await promise;
    stays();
  }

  end(): Promise<void> {
    if (!this.request.gone) {
      this.request.answered = true;
      this.#controller?.close();
    }
    return Promise.resolve();
  }

  cut(): void {
    if (!this.begun) this.begin(500, [], null);
    this.request.answered = true;
    this.#controller?.error(new Cut("the answer was broken off"));
    this.#controller = null;
    this.#goOn();
  }

  /** Answers with an error of the gateway's own. */
  refuse(status: number, message: string): void {
    const headers = [["content-type", "application/json"]] as const;
    this.send(status, headers, openAiErrorBody(status, message));
  }
}

/** A quarter of what it costs to give the constructor a list of fields. */
function responseOf(body: BodyInit | null, status: number, headers: HeaderList): Response {
  const response = new Response(body, { status });
  for (const [name, value] of headers) response.headers.append(name, value);
  return response;
}

function tooLarge(limit: number): RequestError {
  return new RequestError(413, `The request body is larger than ${limit} bytes (max_body_bytes)`);
}

// An answer that was compressed though none such was asked for, as by a proxy before the instance: read as
// if it had come plain, so that it can be looked into, resumed and recorded.

import { header } from "../../http/message.ts";
import { readFrom, type ResponseHead, type UpstreamCall, UpstreamError } from "../transport.ts";

const NOTHING = new Uint8Array(0);
const FORMATS: ReadonlyMap<string, CompressionFormat> = new Map([
  ["gzip", "gzip"],
  ["x-gzip", "gzip"],
  ["deflate", "deflate"],
  // Deno has it; the type of the library has not.
  ["br", "brotli" as CompressionFormat],
]);

/** The call and its head without their coding; the same two where there is none that is known here. */
export function decoded(
  call: UpstreamCall,
  head: ResponseHead,
  method: string,
): { call: UpstreamCall; head: ResponseHead } {
  const coding = header(head.headers, "content-encoding")?.trim().toLowerCase() ?? "identity";
  const format = FORMATS.get(coding);
  const hasBody = method !== "HEAD" && head.status !== 204 && head.status !== 304;
  if (format === undefined || !hasBody) return { call, head };
  const headers = head.headers.filter(([name]) =>
    name !== "content-encoding" && name !== "content-length"
  );
  const plain = { status: head.status, headers };
  return { call: new DecodedCall(call, plain, format, coding), head: plain };
}

class DecodedCall implements UpstreamCall {
  readonly head: Promise<ResponseHead>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #piece: Uint8Array | null = NOTHING;
  #reason: Error | null = null;

  constructor(
    private readonly call: UpstreamCall,
    head: ResponseHead,
    format: CompressionFormat,
    private readonly coding: string,
  ) {
    this.head = Promise.resolve(head);
    const stream = new DecompressionStream(format);
    this.#reader = stream.readable.getReader();
    const writer = stream.writable.getWriter();
    // What goes wrong here is told to whoever reads.
    this.#feed(writer).catch((error) => writer.abort(error)).catch(() => {});
  }

  async #feed(writer: WritableStreamDefaultWriter<BufferSource>): Promise<void> {
    for (;;) {
      const piece = await readFrom(this.call);
      if (piece === null) return await writer.close();
      await writer.write(piece.slice());
    }
  }

  take(): Uint8Array | null {
    if (this.#reason !== null) throw this.#reason;
    const piece = this.#piece;
    if (piece !== null) this.#piece = NOTHING;
    return piece;
  }

  async wait(): Promise<number | null> {
    const { done, value } = await this.#reader.read();
    this.#piece = done ? null : value;
    return done ? null : value.length;
  }

  arrived(_count: number | null): void {
    if (this.#reason !== null) throw this.#reason;
  }

  explain(error: unknown): Error {
    if (this.#reason !== null) return this.#reason;
    this.#reason = error instanceof UpstreamError
      ? error
      : new UpstreamError("body", "malformed", `its answer is not proper ${this.coding}`);
    this.call.abort(this.#reason);
    return this.#reason;
  }

  abort(reason: Error): void {
    this.#reason ??= reason;
    this.call.abort(reason);
    this.#reader.cancel(reason).catch(() => {
      // It has failed already, which the reader was told.
    });
  }
}

// An answer that was compressed though none such was asked for, as by a proxy before the instance: read as
// if it had come plain, so that it can be looked into, resumed and recorded.

import { pipeline, Readable } from "node:stream";
import { codingsOf, DECODERS } from "../../http/decoders.ts";
import { joined } from "../../http/joined.ts";
import { header } from "../../http/message.ts";
import { Turns } from "../../http/turns.ts";
import { readFrom, type ResponseHead, type UpstreamCall, UpstreamError } from "../transport.ts";

const NOTHING = new Uint8Array(0);

/** The call and its head without their coding; the same two where there is none that is known here. */
export function decoded(
  call: UpstreamCall,
  head: ResponseHead,
  method: string,
): { call: UpstreamCall; head: ResponseHead } {
  const coding = codingsOf(header(head.headers, "content-encoding"));
  const hasBody = method !== "HEAD" && head.status !== 204 && head.status !== 304;
  if (!DECODERS.has(coding) || !hasBody) return { call, head };
  const headers = head.headers.filter(([name]) =>
    name !== "content-encoding" && name !== "content-length"
  );
  const plain = { status: head.status, headers };
  return { call: new DecodedCall(call, plain, coding), head: plain };
}

class DecodedCall implements UpstreamCall {
  readonly head: Promise<ResponseHead>;
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array | null = NOTHING;
  #reason: Error | null = null;

  constructor(
    private readonly call: UpstreamCall,
    head: ResponseHead,
    private readonly coding: string,
  ) {
    this.head = Promise.resolve(head);
    this.#pieces = this.#decode();
  }

  /** One after the other as they are asked for, whatever the instance has sent meanwhile. */
  async *#decode(): AsyncGenerator<Uint8Array> {
    const begun = await this.#beginning();
    const decoder = DECODERS.get(this.coding)!(begun);
    const sent = Readable.from(this.#sent(begun), { objectMode: false });
    // What goes wrong is told to whoever reads the decoder, which it is destroyed with.
    pipeline(sent, decoder, () => {});
    const turns = new Turns();
    for await (const piece of decoder as AsyncIterable<Uint8Array>) {
      yield piece;
      await turns.next();
    }
  }

  /** Enough to tell the coding's form. */
  async #beginning(): Promise<Uint8Array> {
    let begun: Uint8Array = NOTHING;
    while (begun.length < 2) {
      const piece = await readFrom(this.call);
      if (piece === null) break;
      begun = joined([begun, piece]);
    }
    return begun;
  }

  async *#sent(begun: Uint8Array): AsyncGenerator<Uint8Array> {
    yield begun;
    for (;;) {
      const piece = await readFrom(this.call);
      if (piece === null) return;
      yield piece.slice();
    }
  }

  take(): Uint8Array | null {
    if (this.#reason !== null) throw this.#reason;
    const piece = this.#piece;
    if (piece !== null) this.#piece = NOTHING;
    return piece;
  }

  async wait(): Promise<number | null> {
    const { done, value } = await this.#pieces.next();
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
    // It may be waited for by a reader, and may have failed, which the reader was told.
    this.#pieces.return?.().catch(() => {});
  }
}

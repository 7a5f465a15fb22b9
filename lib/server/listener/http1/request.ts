// A request as its handler sees it, and what its body asks of the connection that it comes by.

import { type BodyHold, RequestError } from "../../../http/client.ts";
import { Departure } from "../../../http/departure.ts";
import type { Framing, RequestHead } from "../../../http/head.ts";
import { header } from "../../../http/message.ts";
import { HttpSyntaxError } from "../../../http/syntax_error.ts";
import type { ClientRequest } from "../../listener.ts";

const CLOSES = ["connection", "close"] as const;

/** Where the body of a request comes from. */
export interface BodySource {
  /** A body of this length where it has come with its head, as a small one does; else null. */
  bodyHere(length: number): Uint8Array | null;
  /** The body; throws RequestError, also as `hold` does, and HttpSyntaxError where its framing is no good. */
  readBody(
    framing: Framing,
    limit: number,
    expectsContinue: boolean,
    hold: BodyHold,
  ): Promise<Uint8Array>;
}

/** A request of a connection. */
export class ConnectionRequest extends Departure implements ClientRequest {
  readonly method: string;
  readonly target: string;
  readonly headers;
  bodyIsRead: boolean;

  constructor(
    head: RequestHead,
    readonly remoteAddress: string,
    private readonly source: BodySource,
    private readonly framing: Framing,
  ) {
    super();
    this.method = head.method;
    this.target = head.target;
    // What 1.0 means without saying so; rules for clients behind proxies look for it.
    this.headers = head.minor === 0 ? [...head.headers, CLOSES] : head.headers;
    this.bodyIsRead = framing.kind === "none";
  }

  async readBody(limitBytes: number, hold: BodyHold): Promise<Uint8Array> {
    if (this.framing.kind === "none") return new Uint8Array(0);
    if (this.framing.kind === "length") {
      const { length } = this.framing;
      if (length > limitBytes) throw tooLarge(limitBytes);
      const here = this.source.bodyHere(length);
      if (here !== null) {
        this.bodyIsRead = true;
        const room = hold.take(length);
        if (room !== null) await room;
        return here;
      }
    }
    const expects = header(this.headers, "expect")?.toLowerCase() === "100-continue";
    try {
      const body = await this.source.readBody(this.framing, limitBytes, expects, hold);
      this.bodyIsRead = true;
      return body;
    } catch (error) {
      if (error instanceof HttpSyntaxError) {
        throw new RequestError(400, `Malformed request body: ${error.message}`);
      }
      throw error;
    }
  }
}

export function tooLarge(limit: number): RequestError {
  return new RequestError(413, `The request body is larger than ${limit} bytes (max_body_bytes)`);
}

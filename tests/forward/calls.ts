// Requests to an instance, by both transports.

import assert from "node:assert/strict";
import {
  readFrom,
  type Transport,
  type UpstreamCall,
  UpstreamError,
  type UpstreamRequest,
} from "../../lib/forward/transport.ts";
import { FetchTransport } from "../../lib/forward/transport/fetch.ts";
import { Http1Transport } from "../../lib/forward/transport/http1.ts";
import { bytesOf, latin1 } from "../http/scripted.ts";
import { within } from "../support/wait.ts";

const TRANSPORTS: [name: string, make: () => Transport][] = [
  ["http1", () => new Http1Transport()],
  ["fetch", () => new FetchTransport()],
];

/** One test for each transport. */
export function both(
  behaviour: string,
  test: (transport: Transport, name: string) => Promise<void>,
) {
  for (const [name, make] of TRANSPORTS) {
    Deno.test(`${name}: ${behaviour}`, async () => {
      const transport = make();
      try {
        await test(transport, name);
      } finally {
        transport.close();
      }
    });
  }
}

export function ask(
  transport: Transport,
  url: string,
  body = "hi",
  more: Partial<UpstreamRequest> = {},
): UpstreamCall {
  return transport.start({
    method: "POST",
    url,
    headers: [["content-type", "text/plain"]],
    body: body === "" ? [] : [bytesOf(body)],
    connectTimeoutS: 5,
    ...more,
  });
}

/** The whole answer: status and body. */
export async function whole(call: UpstreamCall): Promise<string> {
  const { status } = await call.head;
  let body = "";
  for (;;) {
    const piece = await readFrom(call);
    if (piece === null) return `${status} ${body}`;
    body += latin1(piece);
  }
}

export async function faultOf(promise: Promise<unknown>): Promise<string> {
  const error = await within(promise, "an error").then(() => null, (error) => error);
  assert.ok(error instanceof UpstreamError, `expected an UpstreamError, got ${error}`);
  return `${error.phase} ${error.fault}`;
}

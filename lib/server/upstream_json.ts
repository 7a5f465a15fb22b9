// A small JSON document from an instance, within a time and size; for the gateway's own questions.

import type { HeaderList } from "../http/message.ts";
import { joined } from "../http/joined.ts";
import { readFrom, type Transport, UpstreamError } from "../forward/transport.ts";

const MAX_BYTES = 4 * 1024 * 1024;

/** The document of a 200 answer; null for every other answer, failure or form. */
export async function fetchJson(
  transport: Transport,
  request: { url: string; headers: HeaderList; timeoutS: number },
): Promise<unknown | null> {
  const call = transport.start({
    method: "GET",
    url: request.url,
    headers: request.headers,
    body: [],
    connectTimeoutS: request.timeoutS,
  });
  const timer = setTimeout(
    () => call.abort(new UpstreamError("head", "timeout", "no answer in time")),
    request.timeoutS * 1000,
  );
  try {
    const head = await call.head;
    const pieces: Uint8Array[] = [];
    let size = 0;
    for (let piece = await readFrom(call); piece !== null; piece = await readFrom(call)) {
      size += piece.length;
      if (size > MAX_BYTES) return null;
      pieces.push(piece.slice());
    }
    return head.status === 200 ? JSON.parse(new TextDecoder().decode(joined(pieces))) : null;
  } catch (error) {
    if (error instanceof UpstreamError || error instanceof SyntaxError) return null;
    throw error;
  } finally {
    clearTimeout(timer);
    call.abort(new Error("no longer needed"));
  }
}

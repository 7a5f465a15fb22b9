// What stands before a simulated instance and lets its answers break off at a place of their own, found in
// the answer itself.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Cut } from "./draw.ts";

const GENERATES = /^\/v1\/(chat\/completions|completions|messages|responses)$/;
const encoder = new TextEncoder();

/** The breaks that answers will meet, in turn, at whichever instance. */
export class Breaks {
  cuts: Cut[] = [];
  /** Paths that were asked, and how the answer broke. */
  log: string[] = [];
}

export interface Front extends AsyncDisposable {
  /** Base URL, ending in /v1. */
  readonly url: string;
}

/** Starts one before the instance at `origin`. */
export async function startFront(origin: string, breaks: Breaks): Promise<Front> {
  const server = createServer(async (request, response) => {
    const path = request.url!;
    const asked = await text(request);
    const answer = await fetch(origin + path, {
      method: request.method,
      headers: { "content-type": "application/json" },
      body: request.method === "POST" ? asked : undefined,
    });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const cut = GENERATES.test(path) ? breaks.cuts.shift() : undefined;
    breaks.log.push(`${path} ${answer.status} ${JSON.stringify(cut) ?? ""}`);
    response.writeHead(answer.status, {
      "content-type": answer.headers.get("content-type") ?? "text/plain",
    });
    if (cut === undefined) return response.end(bytes);
    // What was sent is to arrive before the end of it.
    response.write(bytes.subarray(0, placeOf(cut, bytes)), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** How many bytes of an answer come. */
function placeOf(cut: Cut, bytes: Uint8Array): number {
  if (cut.at === "head") return 0;
  if (cut.at === "bytes") return Math.floor(bytes.length * cut.share / 1000);
  const events = new TextDecoder().decode(bytes).split(/(?<=\n\n)/);
  const length = (count: number) => encoder.encode(events.slice(0, count).join("")).length;
  if (cut.at === "event") return length(Math.floor(events.length * cut.share / 1000));
  const finish = events.findLastIndex((event) =>
    /"finish_reason":"|"type":"(message_delta|response\.output_item\.done)"/.test(event)
  );
  if (finish < 0) return Math.floor(bytes.length / 2);
  if (cut.at === "before finish") return length(finish);
  if (cut.at === "behind finish") return length(finish + 1);
  return length(events.length - 1);
}

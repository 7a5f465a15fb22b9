// HTTP over a bare TCP connection, for input that no HTTP client would send and for answers that no
// HTTP client would show.

import { within } from "./wait.ts";

/** What came back on a connection. */
export interface RawAnswer {
  /** Every byte, as text of one character a byte. */
  text: string;
  /** Of the first answer; null where no status line came. */
  status: number | null;
  /** Names in lower case. */
  headers: Record<string, string>;
  /** What followed the first head, undecoded. */
  body: string;
  /** "open": the deadline passed with the connection still open. */
  ended: "closed" | "reset" | "open";
}

export interface RawRequestOptions {
  hostname?: string;
  port: number;
  /** Sent in this order, each written by itself, `pauseMs` apart. */
  parts: (string | Uint8Array)[];
  pauseMs?: number;
  /** Close the sending side after the last part. */
  halfClose?: boolean;
  /** Stop reading as soon as this holds (a keep-alive connection is not closed by the server). */
  until?: (answer: RawAnswer) => boolean;
  deadlineMs?: number;
}

/** Sends the parts and reads until the peer closes, `until` holds or the deadline passes. */
export async function rawRequest(options: RawRequestOptions): Promise<RawAnswer> {
  let connection: Deno.TcpConn;
  try {
    connection = await Deno.connect({
      hostname: options.hostname ?? "127.0.0.1",
      port: options.port,
    });
  } catch (error) {
    // Accepted and reset before the connecting was over; a refusal is the caller's to see.
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    return { text: "", status: null, headers: {}, body: "", ended: "reset" };
  }
  let text = "";
  let ended: RawAnswer["ended"] = "open";
  const deadline = performance.now() + (options.deadlineMs ?? 30_000);
  const answer = (): RawAnswer => ({ text, ended, ...parse(text) });
  const reading = (async () => {
    const buffer = new Uint8Array(65_536);
    for (;;) {
      let count: number | null;
      try {
        count = await connection.read(buffer);
      } catch (error) {
        // Closed here at the deadline or reset by the peer: either is part of the answer.
        if (error instanceof Deno.errors.ConnectionReset) ended = "reset";
        return;
      }
      if (count === null) {
        ended = "closed";
        return;
      }
      for (const byte of buffer.subarray(0, count)) text += String.fromCharCode(byte);
      if (options.until?.(answer())) return;
    }
  })();
  try {
    for (const part of options.parts) {
      const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
      try {
        for (let sent = 0; sent < bytes.length;) {
          sent += await connection.write(bytes.subarray(sent));
        }
      } catch (error) {
        // The peer may answer and close before it has read everything.
        if (
          !(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset)
        ) {
          throw error;
        }
        break;
      }
      if (options.pauseMs) await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
    }
    if (options.halfClose) await connection.closeWrite();
    await within(reading, "the answer", Math.max(1, deadline - performance.now())).catch(() => {
      // Still open at the deadline: reported as such.
    });
    return answer();
  } finally {
    connection.close();
    await reading;
  }
}

function parse(text: string): Pick<RawAnswer, "status" | "headers" | "body"> {
  const end = text.indexOf("\r\n\r\n");
  const [first, ...lines] = (end < 0 ? text : text.slice(0, end)).split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(first);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return {
    status: status ? Number(status[1]) : null,
    headers,
    body: end < 0 ? "" : text.slice(end + 4),
  };
}

// How a request goes out on a connection of the plain transport: in one write where it is small.

import { putLatin1 } from "../../http/latin1.ts";
import { MESSAGE_BYTES, type MessageBuffers } from "../../http/memory.ts";
import type { UpstreamRequest } from "../transport.ts";

/** The head, each character a byte. */
export function requestHead(request: UpstreamRequest, host: string, path: string): string {
  let text = `${request.method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (const [name, value] of request.headers) text += `${name}: ${value}\r\n`;
  let length = 0;
  for (const piece of request.body) length += piece.length;
  if (length > 0 || request.method === "POST" || request.method === "PUT") {
    text += `content-length: ${length}\r\n`;
  }
  return text + "\r\n";
}

/** Writes the request; resolves to the error that stopped it, since an early answer may explain it. */
export async function send(
  conn: Deno.TcpConn,
  head: string,
  body: readonly Uint8Array[],
  buffers: MessageBuffers,
): Promise<unknown> {
  try {
    let size = head.length;
    for (const piece of body) size += piece.length;
    if (size <= MESSAGE_BYTES) {
      const buffer = buffers.take(size);
      let at = putLatin1(buffer, 0, head);
      for (const piece of body) {
        buffer.set(piece, at);
        at += piece.length;
      }
      const message = buffer.subarray(0, at);
      const written = await conn.write(message);
      if (written < at) await writeAll(conn, message.subarray(written));
      buffers.giveBack(buffer);
    } else {
      const bytes = new Uint8Array(head.length);
      putLatin1(bytes, 0, head);
      await writeAll(conn, bytes);
      for (const piece of body) await writeAll(conn, piece);
    }
    return null;
  } catch (error) {
    return error;
  }
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += await conn.write(at === 0 ? bytes : bytes.subarray(at));
}

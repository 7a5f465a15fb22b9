// Heads of responses as bytes.

import { putLatin1 } from "../../../http/latin1.ts";
import type { HeaderList } from "../../../http/message.ts";

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  206: "Partial Content",
  301: "Moved Permanently",
  302: "Found",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  508: "Loop Detected",
};

let dateSecond = 0;
let dateText = "";

/** The Date field's value, made anew once a second. */
function date(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}

/** Most bytes that the head of a response with these fields takes. */
export function headSize(headers: HeaderList): number {
  // Status line, date, framing, connection and the empty line take less than this.
  let size = 256;
  for (const pair of headers) size += pair[0].length + pair[1].length + 4;
  return size;
}

/**
 * Writes the head up to and including the empty line at the beginning of `into`, which has room for
 * `headSize`; returns its end. `framing` is a complete field line or "".
 */
export function putHead(
  into: Uint8Array,
  status: number,
  headers: HeaderList,
  framing: string,
  close: boolean,
): number {
  let text = status === 200
    ? "HTTP/1.1 200 OK\r\n"
    : `HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n`;
  // A short value and what stands around it are joined first: V8 copies twelve characters, and makes an object for
  // each joint of more.
  for (const pair of headers) text = text + pair[0] + (": " + pair[1] + "\r\n");
  text += `date: ${date()}\r\n${framing}${close ? "connection: close\r\n" : ""}\r\n`;
  // Field values came as Latin-1 and go out as the same bytes.
  return putLatin1(into, 0, text);
}

/** The same in memory of its own. */
export function responseHead(
  status: number,
  headers: HeaderList,
  framing: string,
  close: boolean,
): Uint8Array {
  const memory = new Uint8Array(headSize(headers));
  return memory.subarray(0, putHead(memory, status, headers, framing, close));
}

/** A whole response with a JSON body, after which the connection is closed. */
export function plainResponse(
  status: number,
  body: Uint8Array,
  more: HeaderList,
): Uint8Array {
  const head = responseHead(
    status,
    [["content-type", "application/json"], ...more],
    `content-length: ${body.length}\r\n`,
    true,
  );
  const whole = new Uint8Array(head.length + body.length);
  whole.set(head);
  whole.set(body, head.length);
  return whole;
}

// A request as it stands in the bytes of a connection, and how many of them are wanted for it to be whole.

/** A request with its whole body. */
export interface Request {
  method: string;
  path: string;
  query: URLSearchParams;
  /** Names in lower case; repeated ones joined with ", ". */
  headers: Record<string, string>;
  body: Uint8Array;
  /** Port of the peer: the same for requests on one connection. */
  peer: number;
}

/** What bytes are: no HTTP, a beginning that wants so many in all, or a request that took `length` of them. */
export type Parsed =
  | "bad"
  | { needs: number; expects: boolean }
  | { request: Omit<Request, "peer">; length: number; keepAlive: boolean };

const decoder = new TextDecoder();

/** Reads one request at the beginning of `bytes`. */
export function parse(bytes: Uint8Array): Parsed {
  const headEnd = endOfHead(bytes);
  if (headEnd < 0) {
    return bytes.length > 65_536 ? "bad" : { needs: bytes.length + 1, expects: false };
  }
  const [first, ...lines] = decoder.decode(bytes.subarray(0, headEnd - 4)).split("\r\n");
  const start = /^([A-Z]+) (\S+) HTTP\/1\.([01])$/.exec(first);
  if (!start) return "bad";
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) return "bad";
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  const expects = headers.expect?.toLowerCase() === "100-continue";
  let body: Uint8Array;
  let length: number;
  if (headers["transfer-encoding"]?.toLowerCase() === "chunked") {
    const decoded = unchunk(bytes, headEnd);
    if (decoded === "bad") return "bad";
    if (decoded === "more") return { needs: bytes.length + 1, expects };
    body = decoded.body;
    length = decoded.end;
  } else {
    const declared = headers["content-length"] ?? "0";
    if (!/^\d+$/.test(declared)) return "bad";
    length = headEnd + Number(declared);
    if (bytes.length < length) return { needs: length, expects };
    body = bytes.subarray(headEnd, length);
  }
  const question = start[2].indexOf("?");
  const connection = headers.connection?.toLowerCase();
  return {
    request: {
      method: start[1],
      path: question < 0 ? start[2] : start[2].slice(0, question),
      query: new URLSearchParams(question < 0 ? "" : start[2].slice(question + 1)),
      headers,
      body,
    },
    length,
    keepAlive: start[3] === "1" ? connection !== "close" : connection === "keep-alive",
  };
}

function endOfHead(bytes: Uint8Array): number {
  for (
    let at = bytes.indexOf(13);
    at >= 0 && at + 3 < bytes.length;
    at = bytes.indexOf(13, at + 1)
  ) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return -1;
}

function unchunk(
  bytes: Uint8Array,
  from: number,
): "bad" | "more" | { body: Uint8Array; end: number } {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (let at = from;;) {
    const lineEnd = bytes.indexOf(10, at);
    if (lineEnd < 0) return "more";
    const length = parseInt(decoder.decode(bytes.subarray(at, lineEnd)), 16);
    if (!(length >= 0)) return "bad";
    const end = lineEnd + 1 + length;
    if (bytes.length < end + 2) return "more";
    if (length === 0) return { body: join(parts, size), end: end + 2 };
    parts.push(bytes.subarray(lineEnd + 1, end));
    size += length;
    at = end + 2;
  }
}

/** Many parts as one; a single one as it is. */
export function join(parts: Uint8Array[], size: number): Uint8Array {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// A request's body as everybody behind here reads it: without the coding that it was sent in, and without
// the mark that some editors put before JSON.

import { promisify } from "node:util";
import zlib from "node:zlib";
import { type ClientRequest, RequestError } from "../http/client.ts";
import { header } from "../http/message.ts";

type Decode = (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>;

const inflate = promisify(zlib.inflate) as Decode;
const inflateRaw = promisify(zlib.inflateRaw) as Decode;

const DECODERS: Readonly<Record<string, Decode>> = {
  "gzip": promisify(zlib.gunzip) as Decode,
  "x-gzip": promisify(zlib.gunzip) as Decode,
  // The standard means zlib's form; there are clients that send the bare one (RFC 9110, section 8.4.1.2).
  "deflate": (body, options) =>
    (body[0] & 15) === 8 && (body[0] * 256 + body[1]) % 31 === 0
      ? inflate(body, options)
      : inflateRaw(body, options),
  "br": promisify(zlib.brotliDecompress) as Decode,
  "zstd": promisify(zlib.zstdDecompress) as Decode,
};

/** Reads the body. Throws RequestError: as ClientRequest.readBody, and 415 for codings not known here. */
export async function readPlainBody(client: ClientRequest, limit: number): Promise<Uint8Array> {
  const coding = (header(client.headers, "content-encoding") ?? "").trim().toLowerCase();
  const decode = coding === "" || coding === "identity" ? null : DECODERS[coding];
  if (decode === undefined) {
    const known = Object.keys(DECODERS).filter((name) => name !== "x-gzip").join(", ");
    throw new RequestError(
      415,
      `The request body has Content-Encoding \`${coding.slice(0, 50)}\`; understood are ${known}`,
    );
  }
  const sent = await client.readBody(limit);
  const body = decode === null || sent.length === 0
    ? sent
    : await decoded(sent, decode, coding, limit);
  return hasByteOrderMark(body) ? body.subarray(3) : body;
}

async function decoded(
  body: Uint8Array,
  decode: Decode,
  coding: string,
  limit: number,
): Promise<Uint8Array> {
  try {
    return await decode(body, { maxOutputLength: limit });
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") {
      throw new RequestError(
        413,
        `The request body is larger than ${limit} bytes once decoded (max_body_bytes)`,
      );
    }
    throw new RequestError(400, `The request body is not valid ${coding} (Content-Encoding)`);
  }
}

function hasByteOrderMark(body: Uint8Array): boolean {
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
}

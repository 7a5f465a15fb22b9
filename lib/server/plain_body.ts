// A request's body as everybody behind here reads it: without the coding that it was sent in, and without
// the mark that some editors put before JSON.

import type { Transform } from "node:stream";
import { Blocks } from "../http/blocks.ts";
import { type BodyHold, type ClientRequest, RequestError } from "../http/client.ts";
import { codingsOf, DECODERS } from "../http/decoders.ts";
import { header, type HeaderList } from "../http/message.ts";
import { Turns } from "../http/turns.ts";
import { SLICE_BYTES } from "./json_fields.ts";

const OPEN_OBJECT = 123;

/** Reads the body. Throws RequestError: as ClientRequest.readBody, and 415 for codings not known here. */
export async function readPlainBody(
  client: ClientRequest,
  limit: number,
  hold: BodyHold,
): Promise<Uint8Array> {
  const coding = bodyCoding(client.headers);
  const sent = await client.readBody(limit, hold);
  return isPlainBody(sent, coding) ? sent : await plainBody(sent, coding, limit, hold);
}

/** The coding that a request's head names; "" for none. Throws RequestError (415) for one not known here. */
export function bodyCoding(headers: HeaderList): string {
  const named = header(headers, "content-encoding");
  if (named === undefined) return "";
  const coding = codingsOf(named);
  if (coding === "" || DECODERS.has(coding)) return coding;
  const known = [...DECODERS.keys()].filter((name) => name !== "x-gzip").join(", ");
  throw new RequestError(
    415,
    `The request body has Content-Encoding \`${coding.slice(0, 50)}\`; understood are ${known}`,
  );
}

/** Whether the body is as everybody behind here reads it. */
export function isPlainBody(body: Uint8Array, coding: string): boolean {
  return (coding === "" || body.length === 0) && !hasByteOrderMark(body) && utf16Of(body) === null;
}

/** The plain body of one that is not, which is counted beside it. Throws RequestError. */
export async function plainBody(
  sent: Uint8Array,
  coding: string,
  limit: number,
  hold: BodyHold,
): Promise<Uint8Array> {
  const body = coding === "" || sent.length === 0
    ? sent
    : await decoded(sent, DECODERS.get(coding)!, coding, limit, hold);
  if (hasByteOrderMark(body)) return body.subarray(3);
  const wide = utf16Of(body);
  return wide === null ? body : await fromUtf16(body, wide, hold);
}

/** Piece by piece: all at once would hold everybody up, and a small body may become a huge one. */
async function decoded(
  body: Uint8Array,
  decode: (body: Uint8Array) => Transform,
  coding: string,
  limit: number,
  hold: BodyHold,
): Promise<Uint8Array> {
  const decoder = decode(body);
  const blocks = new Blocks();
  const turns = new Turns();
  try {
    decoder.end(body);
    for await (const piece of decoder as AsyncIterable<Uint8Array>) {
      if (blocks.size + piece.length > limit) throw tooLarge(limit);
      const room = hold.take(piece.length);
      if (room !== null) await room;
      blocks.add(piece);
      await turns.next();
    }
  } catch (error) {
    blocks.drop();
    if (error instanceof RequestError) throw error;
    throw new RequestError(400, `The request body is not valid ${coding} (Content-Encoding)`);
  }
  return await blocks.joined();
}

function tooLarge(limit: number): RequestError {
  return new RequestError(
    413,
    `The request body is larger than ${limit} bytes once decoded (max_body_bytes)`,
  );
}

/** A JSON object in UTF-16, as Python's reader, and so vLLM, takes it, with a mark or without. */
function utf16Of(body: Uint8Array): "utf-16le" | "utf-16be" | null {
  // By index: taking a list of bytes apart goes through an iterator.
  const first = body[0];
  const second = body[1];
  if (first === 0xff && second === 0xfe) return body[2] === 0 && body[3] === 0 ? null : "utf-16le";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  if (first === OPEN_OBJECT && second === 0 && body[2] !== 0) return "utf-16le";
  return first === 0 && second === OPEN_OBJECT ? "utf-16be" : null;
}

/** The same in UTF-8; others run while it is at it. */
async function fromUtf16(
  body: Uint8Array,
  label: string,
  hold: BodyHold,
): Promise<Uint8Array> {
  const decoder = new TextDecoder(label);
  const encoder = new TextEncoder();
  const blocks = new Blocks();
  const turns = new Turns();
  for (let at = 0; at < body.length; at += SLICE_BYTES) {
    await turns.next();
    const isLast = at + SLICE_BYTES >= body.length;
    const text = decoder.decode(body.subarray(at, at + SLICE_BYTES), { stream: !isLast });
    const piece = encoder.encode(text);
    const room = hold.take(piece.length);
    if (room !== null) await room;
    blocks.add(piece);
  }
  return await blocks.joined();
}

function hasByteOrderMark(body: Uint8Array): boolean {
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
}

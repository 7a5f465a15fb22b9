// What takes the coding of a body away (RFC 9110, section 8.4), for both directions. In pieces, each made when
// the one before has been taken: a few bytes of brotli may stand for gigabytes.

import type { Transform } from "node:stream";
import zlib from "node:zlib";

/** Bytes that a decoder gives at once. */
const OPTIONS = { chunkSize: 64 * 1024 };

/** By coding, in small letters; what they are given is the beginning of the body, two bytes where there are so many. */
// A Map, since whoever sends a body may name any word, `constructor` too.
export const DECODERS: ReadonlyMap<string, (body: Uint8Array) => Transform> = new Map(
  Object.entries({
    "gzip": () => zlib.createGunzip(OPTIONS),
    "x-gzip": () => zlib.createGunzip(OPTIONS),
    // The standard means zlib's form; there are clients that send the bare one (section 8.4.1.2).
    "deflate": (body: Uint8Array) =>
      (body[0] & 15) === 8 && (body[0] * 256 + body[1]) % 31 === 0
        ? zlib.createInflate(OPTIONS)
        : zlib.createInflateRaw(OPTIONS),
    "br": () => zlib.createBrotliDecompress(OPTIONS),
    "zstd": () => zlib.createZstdDecompress(OPTIONS),
  }),
);

/** The codings that are named, in the order in which they were put on, without those that change nothing. */
export function codingsOf(field: string | undefined): string {
  return (field ?? "").toLowerCase().split(",")
    .map((one) => one.trim()).filter((one) => one !== "" && one !== "identity").join(", ");
}

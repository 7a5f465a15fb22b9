// A system may take a part of what it is given to write.

/** Writes all of `bytes`. Rejects as the system does; a part may have been written then. */
export async function writeAll(
  file: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

// Pieces of bytes as one.

/** All of `pieces`, in order. A piece alone is returned as it is, without a copy. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  // What is read from sockets and files is never shared memory.
  if (pieces.length === 1) return pieces[0] as Uint8Array<ArrayBuffer>;
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

// Long work on bytes, done in turns: others on the same loop are served in between.

/** How long one turn may take. */
const TURN_MS = 4;
/** Bytes that are copied in one go. */
const COPIED_BYTES = 1024 * 1024;

/** Gives the others a turn when this one has taken its time. */
export class Turns {
  #since = performance.now();

  /** `asker`: where nobody waits for the work any more, it ends with the reason at the next turn. */
  constructor(private readonly asker?: AbortSignal) {}

  async next(): Promise<void> {
    if (performance.now() - this.#since >= TURN_MS) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.#since = performance.now();
    }
    this.asker?.throwIfAborted();
  }
}

/** All of `pieces` as one, like `joined`; the list is empty afterwards, and their memory free. */
export async function joinedInTurns(pieces: Uint8Array[]): Promise<Uint8Array> {
  if (pieces.length === 1) return pieces.pop()!;
  const turns = new Turns();
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const [index, piece] of pieces.entries()) {
    for (let from = 0; from < piece.length; from += COPIED_BYTES) {
      whole.set(piece.subarray(from, from + COPIED_BYTES), at + from);
      await turns.next();
    }
    at += piece.length;
    pieces[index] = NOTHING;
  }
  pieces.length = 0;
  return whole;
}

const NOTHING = new Uint8Array(0);
